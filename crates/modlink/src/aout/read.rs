//! Reading.
use crate::{Error, Object, Result};

pub(crate) fn parse(_bytes: &[u8]) -> Result<Object<'_>> {
    Err(Error::NotAnObject)
}
