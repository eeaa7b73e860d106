//! Which of the objects that were found are whose: a pure decision about jobs that a look-up cannot tell apart.
//!
//! Jobs of equal criteria wanted the same thing, and so their objects are the same thing: it does not matter which of
//! them owns which, but each object has one owner, and nobody is sent again while an object could still be theirs.
//!
//! - While a call of such a job is in flight, an object may be that call's, and its reply will say so: wait. While one
//!   that was lost may still arrive, its object is missing, and a stranger's would be taken for it: wait, too, where no
//!   mark tells strangers' objects.
//! - As many objects as uncertain jobs, or fewer: each object is one of theirs, in whatever order. Those that are left
//!   over were not applied, if their calls are surely over and the listing shows everything (looked twice).
//! - More objects than uncertain jobs: some are somebody else's, and nobody can tell which. A person decides.

/// Jobs of equal criteria, and the objects that show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Jobs that this reading of the listing serves.
    pub looking: usize,
    /// All uncertain jobs that may own such an object, those included.
    pub uncertain: usize,
    /// Whether a call of such a job is in flight, or may still arrive.
    pub unsettled: bool,
    /// Objects that no job owns.
    pub objects: usize,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// So many of the jobs own an object each; the others' was not found.
    Own(usize),
    /// Nothing yet.
    Wait,
    /// More objects than jobs.
    Several,
}

impl Group {
    /// Decides.
    pub fn judge(self) -> Verdict {
        match self.objects {
            0 => Verdict::Own(0),
            _ if self.unsettled => Verdict::Wait,
            objects if objects > self.uncertain => Verdict::Several,
            objects => Verdict::Own(objects.min(self.looking)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judge(looking: usize, uncertain: usize, unsettled: bool, objects: usize) -> Verdict {
        Group { looking, uncertain, unsettled, objects }.judge()
    }

    #[test]
    fn equal_jobs_share_out_what_is_there() {
        assert_eq!(judge(1, 1, false, 1), Verdict::Own(1));
        assert_eq!(judge(3, 3, false, 0), Verdict::Own(0));
        assert_eq!(judge(3, 3, false, 2), Verdict::Own(2));
        assert_eq!(judge(1, 3, false, 2), Verdict::Own(1), "the others look later");
        assert_eq!(judge(1, 1, false, 2), Verdict::Several);
        assert_eq!(judge(2, 3, false, 4), Verdict::Several);
        assert_eq!(judge(1, 1, true, 1), Verdict::Wait, "it may be the other's");
        assert_eq!(judge(1, 1, true, 0), Verdict::Own(0), "nothing there is nobody's");
    }

    /// What really became of one of several equal jobs.
    #[derive(Clone, Copy, Debug)]
    struct Truth {
        applied: bool,
        looks: bool,
    }

    proptest! {
        /// Against the truth, without strangers: after this look and one of those that are left, every object has one
        /// owner, and exactly those without an object are sent again.
        #[test]
        fn nothing_is_owned_twice_or_sent_again_for_nothing(
            truths in prop::collection::vec((any::<bool>(), any::<bool>()), 1..8),
            strangers in 0_usize..3,
        ) {
            let truths: Vec<_> = truths.into_iter().map(|(applied, looks)| Truth { applied, looks }).collect();
            let applied = truths.iter().filter(|truth| truth.applied).count();
            let objects = applied + strangers;
            let looking = truths.iter().filter(|truth| truth.looks).count();
            let first = Group { looking, uncertain: truths.len(), unsettled: false, objects }.judge();
            let owned = match first {
                Verdict::Own(owned) => owned,
                Verdict::Several => {
                    prop_assert!(strangers > 0, "without strangers there is no doubt");
                    return Ok(());
                }
                Verdict::Wait => return Err(TestCaseError::fail("nothing is in flight")),
            };
            prop_assert!(owned <= objects && owned <= looking);
            // Those that found nothing are sent again; the others look now.
            let again = looking - owned;
            let left = truths.len() - looking;
            let second = Group { looking: left, uncertain: left, unsettled: false, objects: objects - owned }.judge();
            if let Verdict::Own(later) = second {
                let resent = again + left - later;
                prop_assert_eq!(owned + later + resent, truths.len(), "each job is either done or sent again");
                if strangers == 0 {
                    prop_assert_eq!(owned + later, applied, "every object found its owner");
                }
                prop_assert_eq!(owned + later, objects, "no object is left without an owner, strangers' included");
            } else {
                prop_assert!(strangers > 0 || again == 0);
            }
        }
    }
}
