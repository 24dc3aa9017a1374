//! What a process that holds secrets does first.

/// Keeps other processes and core files from reading this one's memory (security rule 16). Where
/// the system refuses, nothing is worse than before.
pub fn protect_memory() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        let _ = setrlimit(Resource::Core, none);
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
