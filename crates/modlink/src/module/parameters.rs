//! Parameters, `name=value[,value...]`: which bytes of the writable part they set (insmod, "module parameters").

mod declared;
mod syntax;

use alloc::{string::String, vec::Vec};

use self::{
    declared::{Declaration, Kind},
    syntax::Value,
};
use super::{Checksums, ModInfo, SymbolName};
use crate::{Addr, Error, Layout, Object, Result, Symbol, SymbolIndex, SymbolPlace, addr::index, object::Class};

/// The size of an `int` in bytes, on both machines.
const INT: u64 = 4;

/// The longest text of a parameter in bytes (`STRVAL_LEN` of modutils, `param_set_charp` of Linux: 1,024 with NUL).
const LONGEST: usize = 1023;

/// What the parameters set.
#[derive(Debug, Default)]
pub(super) struct Assignments {
    edits: Vec<Edit>,
    /// Texts to which variables will point, each ending in NUL.
    texts: Vec<u8>,
}

#[derive(Debug)]
struct Edit {
    symbol: SymbolIndex,
    /// The first byte of the variable that changes.
    offset: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The run address of the text at this offset.
    Text(u64),
}

/// The variable of a parameter.
struct Variable<'p> {
    /// The parameter's name, for errors.
    name: &'p str,
    symbol: SymbolIndex,
    /// How many bytes of it may be written.
    room: u64,
    /// The size of a pointer in bytes.
    pointer: u64,
}

impl Assignments {
    /// Reads `arguments` for a module. A module that declares parameters has those; an older one has every variable.
    pub(super) fn parse(object: &Object<'_>, info: ModInfo<'_>, arguments: &[&str], checksums: Checksums) -> Result<Self> {
        let mut assignments = Self::default();
        let declares = declared::any(info);
        for argument in arguments {
            let (name, text) = match argument.split_once('=') {
                Some((name, text)) => (name, Some(text)),
                None => (*argument, None),
            };
            match declared::find(info, name)? {
                Some(declaration) => {
                    let variable = variable(object, name, checksums)?;
                    // A word alone switches a `bool` on (Linux `module_param`).
                    let text = text.or((declaration.kind == Kind::Bool).then_some("1"));
                    let Some(text) = text else { return Err(Error::TooFewValues { name: name.into(), min: declaration.min }) };
                    assignments.declared(&variable, &declaration, &syntax::values(name, text)?)?;
                }
                None if declares => return Err(Error::UnknownParameter { name: name.into() }),
                // insmod of Linux 2.0 ignores words without `=`.
                None => {
                    let Some(text) = text else { continue };
                    let variable = variable(object, name, checksums)?;
                    assignments.undeclared(&variable, &syntax::values(name, text)?)?;
                }
            }
        }
        Ok(assignments)
    }

    /// How many bytes the layout has to reserve.
    pub(super) fn reserve(&self) -> u64 {
        self.texts.len() as u64
    }

    /// Writes everything into an image for `base`.
    pub(super) fn apply(&self, layout: &Layout<'_>, base: Addr, out: &mut [u8]) -> Option<()> {
        let texts = layout.reserved().start;
        write(out, texts, &self.texts)?;
        let pointer = index(layout.object().machine().pointer());
        for edit in &self.edits {
            let at = layout.offset_of(edit.symbol)?.checked_add(edit.offset)?;
            match &edit.content {
                Content::Bytes(bytes) => write(out, at, bytes)?,
                Content::Text(text) => {
                    let addr = base.offset(texts).offset(*text).0.to_le_bytes();
                    write(out, at, addr.get(..pointer)?)?;
                }
            }
        }
        Some(())
    }

    /// Old style: every element has the size of an `int`, a text that of a pointer.
    fn undeclared(&mut self, variable: &Variable<'_>, values: &[Value<'_>]) -> Result<()> {
        let mut offset = 0_u64;
        for value in values {
            let size = match value {
                Value::Empty => INT,
                Value::Word(word) if word.starts_with(|c: char| c.is_ascii_digit()) => {
                    let number = syntax::number(variable.name, word, i128::from(i32::MIN)..=i128::from(u32::MAX))?;
                    self.bytes(variable, offset, &number.to_le_bytes(), INT)?
                }
                Value::Word(word) => self.text(variable, offset, word.as_bytes())?,
                Value::Quoted(text) => self.text(variable, offset, text)?,
            };
            offset = offset.saturating_add(size);
        }
        Ok(())
    }

    fn declared(&mut self, variable: &Variable<'_>, declaration: &Declaration, values: &[Value<'_>]) -> Result<()> {
        let name = || String::from(variable.name);
        let size = declaration.kind.size(variable.pointer);
        let max = match declaration.max {
            Some(max) => max,
            None => variable.room.checked_div(size).unwrap_or(0),
        };
        let count = values.len() as u64;
        if count > max {
            return Err(Error::TooManyValues { name: name(), max });
        }
        if count < declaration.min {
            return Err(Error::TooFewValues { name: name(), min: declaration.min });
        }
        let mut offset = 0_u64;
        for value in values {
            match (declaration.kind, value) {
                (_, Value::Empty) => return Err(Error::BadArgument { name: name(), value: String::new() }),
                (Kind::Pointer, value) => self.text(variable, offset, value.bytes())?,
                (Kind::Array(room), value) => self.array(variable, offset, value.bytes(), room.unwrap_or(variable.room))?,
                (Kind::Bool, value) => self.bytes(variable, offset, &[syntax::truth(variable.name, value)?], size)?,
                (Kind::Number { .. }, Value::Quoted(text)) => {
                    let value = String::from_utf8_lossy(text).into_owned();
                    return Err(Error::BadArgument { name: name(), value });
                }
                (Kind::Number { min, max, .. }, Value::Word(word)) => {
                    let number = syntax::number(variable.name, word, min..=max)?;
                    self.bytes(variable, offset, &number.to_le_bytes(), size)?
                }
            };
            offset = offset.saturating_add(size);
        }
        Ok(())
    }

    /// Sets the first `size` of `bytes`.
    fn bytes(&mut self, variable: &Variable<'_>, offset: u64, bytes: &[u8], size: u64) -> Result<u64> {
        let outside = || Error::ParameterOutsideData { name: variable.name.into() };
        let end = offset.checked_add(size).filter(|&end| end <= variable.room);
        let bytes = usize::try_from(size).ok().and_then(|size| bytes.get(..size));
        let (Some(_), Some(bytes)) = (end, bytes) else { return Err(outside()) };
        self.edits.push(Edit { symbol: variable.symbol, offset, content: Content::Bytes(bytes.to_vec()) });
        Ok(size)
    }

    /// Sets a pointer to a text.
    fn text(&mut self, variable: &Variable<'_>, offset: u64, text: &[u8]) -> Result<u64> {
        let name = || String::from(variable.name);
        if text.len() > LONGEST {
            return Err(Error::StringTooLong { name: name(), max: LONGEST as u64 });
        }
        if offset.checked_add(variable.pointer).is_none_or(|end| end > variable.room) {
            return Err(Error::ParameterOutsideData { name: name() });
        }
        let start = self.texts.len() as u64;
        self.texts.extend_from_slice(text);
        self.texts.push(0);
        self.edits.push(Edit { symbol: variable.symbol, offset, content: Content::Text(start) });
        Ok(variable.pointer)
    }

    /// Sets an array of `room` characters.
    fn array(&mut self, variable: &Variable<'_>, offset: u64, text: &[u8], room: u64) -> Result<u64> {
        let size = (text.len() as u64).saturating_add(1);
        if size > room {
            return Err(Error::StringTooLong { name: variable.name.into(), max: room.saturating_sub(1) });
        }
        let mut bytes = text.to_vec();
        bytes.push(0);
        self.bytes(variable, offset, &bytes, size)?;
        Ok(room)
    }
}

fn write(out: &mut [u8], at: u64, bytes: &[u8]) -> Option<()> {
    out.get_mut(usize::try_from(at).ok()?..)?.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(())
}

/// The variable of a parameter: the symbol of that name, or in a module with checksums one with a checksum.
fn variable<'p>(object: &Object<'_>, name: &'p str, checksums: Checksums) -> Result<Variable<'p>> {
    let with_checksum = || {
        let bare = |symbol: &Symbol<'_>| symbol.is_defined() && SymbolName::parse(symbol.name).bare == name;
        (checksums == Checksums::With).then(|| object.symbols().find(bare)).flatten()
    };
    let Some(symbol) = object.find(name).or_else(with_checksum) else {
        return Err(Error::ParameterWithoutSymbol { name: name.into() });
    };
    let behind = match symbol.place {
        SymbolPlace::Common => symbol.size,
        SymbolPlace::Section(section) => match object.sections.get(index(section)) {
            Some(section) if matches!(section.class, Class::Data | Class::Bss | Class::InitData) => {
                section.size.saturating_sub(symbol.value)
            }
            _ => 0,
        },
        SymbolPlace::Undefined | SymbolPlace::Absolute => 0,
    };
    // Assemblers that do not know a variable's size say 0.
    let room = if symbol.size == 0 { behind } else { behind.min(symbol.size) };
    Ok(Variable { name, symbol: symbol.index, room, pointer: object.machine().pointer().into() })
}
