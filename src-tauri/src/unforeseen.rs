//! What nobody foresaw, in words for people.

use drawbridge::failure::{Code, Failure};

/// Something that only a defect or a strange system explains.
pub(crate) fn internal(why: &str) -> Failure {
    Failure::new(Code::Internal, format!("This did not work ({why})"), "Look into the logs")
}
