//! Anchors, aliases, tags and directives.

use crate::yaml::YamlError;
use crate::yaml::scan::cursor::Cursor;
use crate::yaml::scan::{Scanner, Token};

/// Longest handle, name or prefix of a tag, in bytes: a prefix counts again at each tag that has it.
/// Those that mean something have less than 40.
const TAG_BYTES_MAX: usize = 256;

impl<'a> Scanner<'a> {
    /// `&name` or `*name`.
    pub(super) fn anchor(&mut self, alias: bool) -> Result<(), YamlError> {
        self.note_key()?;
        self.key_allowed = false;
        let start = self.at;
        self.at.skip();
        let name = self.word();
        let ends = self.at.is_gap(0) || b"?:,]}%@`".contains(&self.at.byte(0));
        if name.is_empty() || !ends {
            return Err(self.error(
                "the name of an anchor or alias has letters, digits, `-` and `_`; quote a text that \
                 begins with `&` or `*`",
            ));
        }
        self.push(if alias { Token::Alias(name) } else { Token::Anchor(name) }, &start);
        Ok(())
    }

    pub(super) fn tag(&mut self) -> Result<(), YamlError> {
        let start = self.at;
        let (handle, suffix) = if start.byte(1) == b'<' {
            self.at.skip_many(2);
            let suffix = self.uri()?;
            if self.at.byte(0) != b'>' || suffix.is_empty() {
                return Err(self.error("a tag `!<…>` without its end"));
            }
            self.at.skip();
            ("", suffix)
        } else {
            let head = self.handle()?;
            let rest = self.uri()?;
            match head {
                "!" if rest.is_empty() => ("", "!".to_owned()),
                handle if handle.len() > 1 && handle.ends_with('!') => (handle, rest),
                head => ("!", format!("{}{rest}", &head[1..])),
            }
        };
        if suffix.is_empty() {
            return Err(self.error("a tag without a name"));
        }
        if !self.at.is_gap(0) {
            return Err(self.error("a tag ends with a space; quote a text that begins with `!`"));
        }
        self.push(Token::Tag { handle, suffix }, &start);
        Ok(())
    }

    /// `%YAML` and `%TAG`.
    pub(super) fn directive(&mut self) -> Result<(), YamlError> {
        let start = self.at;
        self.at.skip();
        let token = match self.word() {
            "YAML" if self.at.is_blank() => {
                self.at.skip_while(Cursor::is_blank);
                if !["1.1", "1.2"].iter().any(|version| self.at.is_at(version)) {
                    return Err(self.error("YAML of another version than 1.1 or 1.2"));
                }
                self.at.skip_many(3);
                Token::Version
            }
            "TAG" if self.at.is_blank() => {
                self.at.skip_while(Cursor::is_blank);
                let handle = if self.at.byte(0) == b'!' { self.handle()? } else { "" };
                let parted = self.at.is_blank() && handle.ends_with('!');
                self.at.skip_while(Cursor::is_blank);
                let prefix = self.uri()?;
                if !parted || prefix.is_empty() {
                    return Err(self.error("%TAG needs a handle and what it stands for"));
                }
                Token::Handle { handle, prefix }
            }
            _ => {
                return Err(self.error(
                    "an unknown directive: quote a text that begins with `%`, or indent it",
                ));
            }
        };
        self.at.skip_while(Cursor::is_blank);
        if self.at.byte(0) == b'#' {
            self.at.skip_line();
        }
        if !self.at.is_line_end(0) {
            return Err(self.error("only a comment may follow a directive"));
        }
        self.push(token, &start);
        Ok(())
    }

    /// `!`, `!name` or `!name!`.
    fn handle(&mut self) -> Result<&'a str, YamlError> {
        let start = self.at;
        self.at.skip();
        self.word();
        if self.at.byte(0) == b'!' {
            self.at.skip();
        }
        let handle = self.at.since(&start);
        if handle.len() > TAG_BYTES_MAX { Err(self.too_long()) } else { Ok(handle) }
    }

    /// Letters, digits, `-` and `_`.
    fn word(&mut self) -> &'a str {
        let start = self.at;
        self.at.skip_while(|at| is_word(at.byte(0)));
        self.at.since(&start)
    }

    /// What may stand in a URI, escapes resolved.
    fn uri(&mut self) -> Result<String, YamlError> {
        let mut bytes = Vec::new();
        loop {
            if bytes.len() > TAG_BYTES_MAX {
                return Err(self.too_long());
            }
            match self.at.byte(0) {
                b'%' => {
                    let digit = |ahead| char::from(self.at.byte(ahead)).to_digit(16);
                    let octet =
                        digit(1).zip(digit(2)).and_then(|(a, b)| u8::try_from(a << 4 | b).ok());
                    let Some(octet) = octet else {
                        return Err(self.error("`%` in a tag needs two hexadecimal digits"));
                    };
                    bytes.push(octet);
                    self.at.skip_many(3);
                }
                byte if is_word(byte) || b";/?:@&=+$,.!~*'()[]".contains(&byte) => {
                    bytes.push(byte);
                    self.at.skip();
                }
                _ => break,
            }
        }
        String::from_utf8(bytes).map_err(|_| self.error("a tag that is not UTF-8"))
    }

    fn too_long(&self) -> YamlError {
        self.error(&format!(
            "a tag longer than {TAG_BYTES_MAX} bytes: quote a text that begins with `!`"
        ))
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
