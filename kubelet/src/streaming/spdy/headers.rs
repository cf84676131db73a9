//! Header blocks: names and values, compressed in one zlib stream for each direction of a connection.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::Error;
use super::dictionary::DICTIONARY;

/// Names, in lower case, and values.
pub type Headers = Vec<(String, String)>;

/// The value of a header.
pub fn get<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str())
}

/// The most that a block may hold, in bytes after decompression. What Kubernetes' clients send is below 200.
const MAX_BLOCK: usize = 64 * 1024;
/// The most headers of one block.
const MAX_HEADERS: u32 = 256;

/// Reads the blocks of one connection, in their order.
pub(super) struct Inflater(Decompress);

impl Default for Inflater {
    fn default() -> Self {
        Self(Decompress::new(true))
    }
}

impl Inflater {
    pub(super) fn read(&mut self, mut block: &[u8]) -> Result<Headers, Error> {
        let mut plain = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let (read, written) = (self.0.total_in(), self.0.total_out());
            let outcome = self.0.decompress(block, &mut chunk, FlushDecompress::Sync);
            // Both fit: neither is more than what was handed in.
            block = &block[(self.0.total_in() - read) as usize..];
            let written = (self.0.total_out() - written) as usize;
            plain.extend_from_slice(&chunk[..written]);
            if plain.len() > MAX_BLOCK {
                return Err(Error::Headers("a header block is too large"));
            }
            match outcome {
                Err(error) if error.needs_dictionary().is_some() => {
                    let set = self.0.set_dictionary(&DICTIONARY);
                    set.map_err(|_| Error::Headers("a header block has another dictionary"))?;
                }
                Err(_) => {
                    return Err(Error::Headers(
                        "a header block is not compressed as it should be",
                    ));
                }
                Ok(Status::StreamEnd) => {
                    return Err(Error::Headers("the compression of headers ends early"));
                }
                Ok(_) if written < chunk.len() && block.is_empty() => return parse(&plain),
                Ok(_) if written == 0 => {
                    return Err(Error::Headers("a header block is incomplete"));
                }
                Ok(_) => {}
            }
        }
    }
}

fn parse(mut rest: &[u8]) -> Result<Headers, Error> {
    let count = number(&mut rest)?;
    if count > MAX_HEADERS {
        return Err(Error::Headers("too many headers"));
    }
    let mut headers = Headers::new();
    for _ in 0..count {
        let name = text(&mut rest)?.to_ascii_lowercase();
        headers.push((name, text(&mut rest)?));
    }
    match rest {
        [] => Ok(headers),
        _ => Err(Error::Headers("a header block holds more than its headers")),
    }
}

fn number(rest: &mut &[u8]) -> Result<u32, Error> {
    let (number, after) = rest
        .split_first_chunk::<4>()
        .ok_or(Error::Headers("a header block is cut off"))?;
    *rest = after;
    Ok(u32::from_be_bytes(*number))
}

fn text(rest: &mut &[u8]) -> Result<String, Error> {
    let length = number(rest)? as usize;
    let (text, after) = rest
        .split_at_checked(length)
        .ok_or(Error::Headers("a header block is cut off"))?;
    *rest = after;
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// Writes the blocks of one connection.
#[derive(Default)]
pub(super) struct Deflater(Option<Compress>);

impl Deflater {
    pub(super) fn write(&mut self, headers: &Headers) -> Result<Vec<u8>, Error> {
        let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
        let mut plain = length(headers.len()).to_vec();
        for part in headers.iter().flat_map(|(name, value)| [name, value]) {
            plain.extend_from_slice(&length(part.len()));
            plain.extend_from_slice(part.as_bytes());
        }
        let broken = |_| Error::Headers("headers cannot be compressed");
        let stream = match &mut self.0 {
            Some(stream) => stream,
            None => {
                let mut stream = Compress::new(Compression::fast(), true);
                stream.set_dictionary(&DICTIONARY).map_err(broken)?;
                self.0.insert(stream)
            }
        };
        let mut out = Vec::new();
        let before = stream.total_in();
        loop {
            out.reserve(4096);
            // It fits: no more than what was handed in.
            let consumed = (stream.total_in() - before) as usize;
            stream
                .compress_vec(&plain[consumed..], &mut out, FlushCompress::Sync)
                .map_err(broken)?;
            // What is left in the stream needs room; with room to spare there is nothing left.
            if out.len() < out.capacity() {
                return Ok(out);
            }
        }
    }
}
