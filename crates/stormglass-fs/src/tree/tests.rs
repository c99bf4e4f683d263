//! The running total of allocated bytes.

use super::*;
use proptest::prelude::*;

/// A power loss that leaves everything.
struct All;

impl Survivors for All {
    fn names(&mut self, count: usize) -> usize {
        count
    }

    fn writes(&mut self, pending: Vec<Write>) -> Vec<(Write, bool)> {
        pending.into_iter().map(|write| (write, true)).collect()
    }
}

fn write(tree: &mut Tree, inode: Inode, offset: u64, len: usize) {
    let end = offset + len as u64;
    tree.change_file(inode, end, |contents| contents.write(offset, &vec![1; len])).unwrap();
}

/// A write on a disk with a capacity asks for the allocated bytes of all files, and looks at
/// one inode only, however many there are.
#[test]
fn allocated_bytes_cost_the_same_with_any_number_of_files() {
    let visits = [10, 1_000].map(|files| {
        let mut tree = Tree::new();
        for file in 0..files {
            let inode = tree.create(&format!("/{file}"), true, true, 0o644).unwrap();
            write(&mut tree, inode, 0, 100);
        }
        let inode = tree.find("/3", Follow::Always).unwrap();
        let before = tree.nodes.visits.get();
        assert_eq!(tree.allocated(), files * PAGE);
        write(&mut tree, inode, PAGE, 1);
        assert_eq!(tree.allocated(), (files + 1) * PAGE);
        tree.nodes.visits.get() - before
    });
    assert_eq!(visits[0], visits[1]);
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize, u16, u16),
    SetLen(usize, u16),
    Reserve(usize, u16),
    Link(usize, usize),
    Rename(usize, usize),
    Remove(usize),
    Open(usize),
    Close,
    Sync(usize),
    Evict,
    PowerLoss,
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..4usize;
    prop_oneof![
        4 => (name(), any::<u16>(), any::<u16>()).prop_map(|(name, at, len)| Step::Write(name, at, len)),
        1 => (name(), any::<u16>()).prop_map(|(name, len)| Step::SetLen(name, len)),
        1 => (name(), any::<u16>()).prop_map(|(name, len)| Step::Reserve(name, len)),
        1 => (name(), name()).prop_map(|(from, to)| Step::Link(from, to)),
        2 => (name(), name()).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => name().prop_map(Step::Remove),
        2 => name().prop_map(Step::Open),
        1 => Just(Step::Close),
        1 => name().prop_map(Step::Sync),
        1 => Just(Step::Evict),
        1 => Just(Step::PowerLoss),
    ]
}

/// A truncation and a later, longer length survived without an earlier write to the sector of the
/// truncation's end, which then had the bytes before that write, and zeros after them.
#[test]
fn a_longer_length_after_a_truncation_has_the_earlier_writes_to_the_sector_between() {
    let mut contents = Contents::default();
    contents.write(0, &[1; 1024]);
    contents.write(512, &[2; 1]);
    contents.set_len(513);
    contents.write(1024, &[3; 1]);
    let lost = Write::Bytes { offset: 512, bytes: vec![2; 1] };
    contents.power_loss(|writes| writes.into_iter().map(|write| (write.clone(), write != lost)).collect());
    let mut found = [9; 3];
    assert_eq!((contents.len(), contents.read(511, &mut found)), (1025, 3));
    assert_eq!(found, [1, 2, 0]);
}

proptest! {
    /// The running total of allocated bytes is their sum.
    #[test]
    fn running_total_is_the_sum(steps in prop::collection::vec(step(), 0..40)) {
        let mut tree = Tree::new();
        let mut open = Vec::new();
        for step in steps {
            let path = |name: usize| format!("/{name}");
            let create = |tree: &mut Tree, name| tree.create(&path(name), false, true, 0o644).unwrap();
            match step {
                Step::Write(name, at, len) => {
                    let inode = create(&mut tree, name);
                    write(&mut tree, inode, at.into(), len.into());
                }
                Step::SetLen(name, len) => {
                    let inode = create(&mut tree, name);
                    tree.change_file(inode, len.into(), |contents| contents.set_len(len.into())).unwrap();
                }
                Step::Reserve(name, len) => {
                    let inode = create(&mut tree, name);
                    tree.change_file(inode, len.into(), |contents| contents.reserve(len.into())).unwrap();
                }
                Step::Link(from, to) => drop(tree.hard_link(&path(from), &path(to))),
                Step::Rename(from, to) => drop(tree.rename(&path(from), &path(to))),
                Step::Remove(name) => drop(tree.remove_file(&path(name))),
                Step::Open(name) => {
                    let inode = create(&mut tree, name);
                    tree.open(inode);
                    open.push(inode);
                }
                Step::Close => {
                    if let Some(inode) = open.pop() {
                        tree.close(inode);
                    }
                }
                Step::Sync(name) => {
                    let inode = create(&mut tree, name);
                    tree.sync(inode, tree.sync_point(inode), SimTime::ZERO, true);
                }
                Step::Evict => tree.evict(),
                Step::PowerLoss => {
                    tree.power_loss(&mut All);
                    open.clear();
                }
            }
            let sum: u64 = tree.nodes.iter().map(Node::occupied).sum();
            prop_assert_eq!(tree.allocated(), sum);
        }
    }
}
