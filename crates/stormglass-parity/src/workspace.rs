//! Where this workspace, its target directory and tokio's source are.

use std::path::{Path, PathBuf};
use std::process::Command;

/// This workspace and the tokio that it uses.
#[derive(Debug)]
pub struct Workspace {
    pub root: PathBuf,
    pub target: PathBuf,
    /// The folder of tokio's source.
    pub tokio: PathBuf,
    pub tokio_version: String,
    pub cargo: PathBuf,
}

impl Workspace {
    /// Asks cargo for the workspace of the working directory.
    ///
    /// # Errors
    ///
    /// A text if there is none, or tokio is not downloaded.
    pub fn find() -> Result<Workspace, String> {
        let cargo: PathBuf = std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
        let output = Command::new(&cargo)
            .args(["metadata", "--format-version", "1", "--locked"])
            .output()
            .map_err(|error| format!("{}: {error}", cargo.display()))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let metadata: serde_json::Value =
            serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
        let path = |value: &serde_json::Value| PathBuf::from(value.as_str().unwrap_or_default());
        let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let tokio = packages
            .iter()
            .find(|package| package["name"] == "tokio")
            .ok_or("tokio is not a dependency of this workspace")?;
        let folder = path(&tokio["manifest_path"]).parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(Workspace {
            root: path(&metadata["workspace_root"]),
            target: path(&metadata["target_directory"]),
            tokio: folder,
            tokio_version: tokio["version"].as_str().unwrap_or_default().to_string(),
            cargo,
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// A text that names the path.
    pub fn read(&self, path: &Path) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    }
}
