//! A panic ends what it happens in and nothing else, so that no defect of a window takes the Host's sessions along.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use crate::notify::{News, Teller};

/// Does something that the toolkit or a task which must go on has asked for. A panic in it is logged and shown like
/// every other, and counts as the usual answer.
pub(crate) fn guarded<T: Default>(act: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_default()
}

thread_local! {
    /// Whether a panic here means no defect.
    static IS_EXPECTED: Cell<bool> = const { Cell::new(false) };
}

static TELLER: OnceLock<Teller> = OnceLock::new();

/// Does what is known to panic where something is missing; `None` where it did.
pub(crate) fn expecting_panics<T>(act: impl FnOnce() -> T) -> Option<T> {
    IS_EXPECTED.set(true);
    let done = catch_unwind(AssertUnwindSafe(act));
    IS_EXPECTED.set(false);
    done.ok()
}

/// Has every panic logged, since nobody sees stderr.
pub(crate) fn log_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if IS_EXPECTED.get() {
            return;
        }
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(%place, "a defect of Drawbridge");
        tell_of_defect();
        usual(panic);
    }));
}

/// Tells the person that something of ours has failed and is in the log.
pub(crate) fn tell_of_defect() {
    if let Some(teller) = TELLER.get() {
        teller.tell(News::Defect);
    }
}

/// Has the person told of every panic from now on.
pub(crate) fn tell_of_panics(teller: Teller) {
    TELLER.set(teller).ok();
}
