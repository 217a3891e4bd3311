//! What there is to tell of a module: its `.modinfo` texts, its parameters, its signature. What `modinfo` prints.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::file::{Modinfo, ModuleFile};
use crate::{Result, text};

/// Everything that a module says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    /// The file; `None` for a module that is built in.
    pub file: Option<PathBuf>,
    /// Keys and values in order: the texts of the module other than parameters, then its build id and signature.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The parameters, the last one of the module first.
    pub parameters: Vec<Parameter>,
    /// Their types once more, as the module gives them (`NAME:TYPE`) and in its order.
    pub types: Vec<Vec<u8>>,
}

/// A parameter of a module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What the module says of it (`parm=NAME:TEXT`), if it says anything.
    pub description: Option<Vec<u8>>,
    /// Its type (`parmtype=NAME:TYPE`), such as `int` or `array of charp`.
    pub kind: Option<String>,
}

/// Bytes of a signature on one line.
const BYTES_PER_LINE: usize = 20;

impl Info {
    /// Reads a module file.
    ///
    /// # Errors
    /// Those of a damaged file. A damaged signature is not one: the module is shown without it.
    pub fn of_file(file: &ModuleFile) -> Result<Self> {
        let mut info = Self::of_modinfo(&file.modinfo()?);
        info.file = Some(file.path().to_path_buf());
        let mut add = |key: &str, value: Vec<u8>| info.fields.push((key.to_owned(), value));
        if let Some(id) = file.build_id()? {
            add("build-id", hex(&id));
        }
        if let Ok(Some(signature)) = file.signature() {
            add("sig_id", signature.id.name().into_bytes());
            add("signer", signature.signer);
            add("sig_key", hex(&signature.key));
            add("sig_hashalgo", signature.hash.into_bytes());
            add("signature", hex(&signature.signature));
        }
        Ok(info)
    }

    /// Takes the texts of a module apart.
    #[must_use]
    pub fn of_modinfo(modinfo: &Modinfo) -> Self {
        let mut info = Self::default();
        let mut known = HashMap::new();
        for field in modinfo.fields() {
            match field.key {
                b"parm" => {
                    if let Some((name, description)) = halves(field.value) {
                        parameter(&mut info.parameters, &mut known, name).description = Some(description.to_vec());
                    }
                }
                b"parmtype" => {
                    info.types.push(field.value.to_vec());
                    if let Some((name, kind)) = halves(field.value) {
                        parameter(&mut info.parameters, &mut known, name).kind = Some(text::of_bytes(kind).into_owned());
                    }
                }
                key => info.fields.push((text::of_bytes(key).into_owned(), field.value.to_vec())),
            }
        }
        info.parameters.reverse();
        info
    }

    /// The values of a key, in order.
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_slice())
    }
}

impl Parameter {
    /// As among everything that a module says: `NAME:TEXT (TYPE)`, or with one of the two `NAME:TEXT` or `NAME:TYPE`.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        match (&self.kind, &self.description) {
            (Some(kind), None) => text::to_bytes(&format!("{}:{kind}", self.name)).into_owned(),
            _ => self.line_of_list(),
        }
    }

    /// As in a list of parameters only: `NAME:TEXT (TYPE)`, `NAME:TEXT` or `NAME: (TYPE)`.
    #[must_use]
    pub fn line_of_list(&self) -> Vec<u8> {
        let mut line = text::to_bytes(&self.name).into_owned();
        line.push(b':');
        line.extend_from_slice(self.description.as_deref().unwrap_or_default());
        if let Some(kind) = &self.kind {
            line.extend_from_slice(&text::to_bytes(&format!(" ({kind})")));
        }
        line
    }
}

/// The parameter of a name, which is new unless its place is known.
fn parameter<'a, 'n>(all: &'a mut Vec<Parameter>, known: &mut HashMap<&'n [u8], usize>, name: &'n [u8]) -> &'a mut Parameter {
    let place = *known.entry(name).or_insert(all.len());
    if place == all.len() {
        all.push(Parameter { name: text::of_bytes(name).into_owned(), ..Parameter::default() });
    }
    &mut all[place]
}

/// The name of a parameter, and what is said of it; `None` where nothing is.
fn halves(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = value.iter().position(|&b| b == b':')?;
    Some((&value[..colon], &value[colon + 1..]))
}

/// Upper-case hexadecimal digits, a colon between two bytes; after every 20th byte a new line that begins with two tabs.
fn hex(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(bytes.len() * 4);
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 {
            out.push(b':');
            if index % BYTES_PER_LINE == 0 {
                out.extend_from_slice(b"\n\t\t");
            }
        }
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
    out
}
