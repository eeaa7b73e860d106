//! Values on their way to PostgreSQL and back, as the types of its parameters and columns want them.

use std::error::Error as StdError;

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::driver::{Columns, Error, Result, Value};

type Wire<T> = std::result::Result<T, Box<dyn StdError + Sync + Send>>;

/// A value for a parameter.
#[derive(Debug)]
pub(super) struct Bound<'a>(pub(super) Value<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Wire<IsNull> {
        match (self.0, of.clone()) {
            (Value::Null, _) => return Ok(IsNull::Yes),
            (Value::Integer(number), Type::INT8) => out.put_i64(number),
            // Where it is compared with a number in the statement.
            (Value::Integer(number), Type::INT4) => out.put_i32(number.try_into()?),
            (Value::Integer(number), Type::BOOL) => out.put_u8(u8::from(number != 0)),
            (Value::Integer(number), Type::FLOAT8) => out.put_f64(number as f64),
            (Value::Real(number), Type::FLOAT8) => out.put_f64(number),
            (Value::Text(text), Type::TEXT | Type::VARCHAR) => out.put_slice(text.as_bytes()),
            (Value::Blob(bytes), Type::BYTEA) => out.put_slice(bytes),
            (value, of) => return Err(format!("a parameter is {of}, and cannot be {}", kind_of(value)).into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A value that is sent while nobody waits.
pub(super) enum Kept {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Kept {
    pub(super) fn of(value: &Value<'_>) -> Self {
        match *value {
            Value::Null => Self::Null,
            Value::Integer(number) => Self::Integer(number),
            Value::Real(number) => Self::Real(number),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Blob(bytes) => Self::Blob(bytes.to_owned()),
        }
    }

    pub(super) fn bound(&self) -> Bound<'_> {
        Bound(match self {
            Self::Null => Value::Null,
            Self::Integer(number) => Value::Integer(*number),
            Self::Real(number) => Value::Real(*number),
            Self::Text(text) => Value::Text(text),
            Self::Blob(bytes) => Value::Blob(bytes),
        })
    }
}

/// What a value is; the value itself may be a secret.
const fn kind_of(value: Value<'_>) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Integer(_) => "an integer",
        Value::Real(_) => "a real number",
        Value::Text(_) => "a text",
        Value::Blob(_) => "bytes",
    }
}

/// A value of a column.
struct Found<'a>(Value<'a>);

impl<'a> FromSql<'a> for Found<'a> {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Wire<Self> {
        Ok(Self(match *of {
            Type::INT8 => Value::Integer(i64::from_sql(of, raw)?),
            Type::INT4 => Value::Integer(i32::from_sql(of, raw)?.into()),
            Type::INT2 => Value::Integer(i16::from_sql(of, raw)?.into()),
            Type::BOOL => Value::Integer(bool::from_sql(of, raw)?.into()),
            Type::FLOAT8 => Value::Real(f64::from_sql(of, raw)?),
            Type::TEXT | Type::VARCHAR | Type::NAME => Value::Text(std::str::from_utf8(raw)?),
            Type::BYTEA => Value::Blob(raw),
            _ => return Err(format!("a column is {of}").into()),
        }))
    }

    fn from_sql_null(_: &Type) -> Wire<Self> {
        Ok(Self(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl Columns for Row {
    fn value(&self, at: usize) -> Result<Value<'_>> {
        let found: Found<'_> = self.try_get(at).map_err(|error| {
            let why = StdError::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            Error::unexpected(why)
        })?;
        Ok(found.0)
    }
}
