//! A scenario from a function.

use std::future::Future;
use std::pin::Pin;
use stormglass_sim::{Scenario, World, scenario};

/// What the function returns.
pub type Boxed = Pin<Box<dyn Future<Output = ()>>>;

/// A scenario that plays this function, and has no nodes for a seed to choose from.
pub struct Story<F>(pub F);

#[scenario(about = "a test's function")]
impl<F: Fn(World) -> Boxed + Send + Sync> Scenario for Story<F> {
    async fn play(&self, world: World) {
        (self.0)(world).await;
    }
}
