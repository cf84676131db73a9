//! Frames of SPDY/3.1 on the wire. The payload of a data frame is handed on in the pieces in which it comes, so that no frame
//! has to fit into memory.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec;

use super::Error;
use super::headers::{Deflater, Headers, Inflater};

/// The most of a data frame that is handed on, or sent, at once.
pub const MAX_DATA: usize = 64 * 1024;
/// The longest control frame that is taken.
const MAX_CONTROL: usize = 64 * 1024;
const HEAD: usize = 8;
const FIN: u8 = 1;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const SETTINGS: u16 = 4;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const HEADERS: u16 = 8;
const WINDOW_UPDATE: u16 = 9;

/// What goes over a connection. `fin`: the sender sends no more on this stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the protocol's own words")]
pub enum Frame {
    /// Opens a stream.
    SynStream {
        stream: u32,
        fin: bool,
        headers: Headers,
    },
    /// Takes a stream that was opened.
    SynReply {
        stream: u32,
        fin: bool,
        headers: Headers,
    },
    /// Ends a stream in both directions.
    RstStream { stream: u32, status: u32 },
    /// Settings; none means anything here.
    Settings,
    /// To be sent back by the other side.
    Ping { id: u32 },
    /// No further stream is taken.
    GoAway { last: u32, status: u32 },
    /// Further headers of a stream.
    Headers {
        stream: u32,
        fin: bool,
        headers: Headers,
    },
    /// So many more bytes may be sent.
    WindowUpdate { stream: u32, delta: u32 },
    /// Data of a stream, or a piece of it.
    Data {
        stream: u32,
        fin: bool,
        bytes: Bytes,
    },
}

/// Reads frames.
#[derive(Default)]
pub struct Decoder {
    inflater: Inflater,
    /// The rest of a data frame.
    data: Option<Rest>,
}

struct Rest {
    stream: u32,
    fin: bool,
    left: usize,
}

impl codec::Decoder for Decoder {
    type Item = Frame;
    type Error = Error;

    fn decode(&mut self, from: &mut BytesMut) -> Result<Option<Frame>, Error> {
        loop {
            if let Some(rest) = self.data.take() {
                return Ok(self.piece(rest, from));
            }
            let Some(head) = from.first_chunk::<HEAD>() else {
                return Ok(None);
            };
            let [a, b, c, d, flags, e, f, g] = *head;
            let (first, length) = (
                u32::from_be_bytes([a, b, c, d]),
                u32::from_be_bytes([0, e, f, g]) as usize,
            );
            if first & 1 << 31 == 0 {
                from.advance(HEAD);
                let fin = flags & FIN != 0;
                self.data = Some(Rest {
                    stream: first,
                    fin,
                    left: length,
                });
                continue;
            }
            // The upper half but for its first bit is the version, the lower half the type.
            let (version, kind) = ((first >> 16 & 0x7fff) as u16, (first & 0xffff) as u16);
            if version != 3 {
                return Err(Error::Version(version));
            }
            if length > MAX_CONTROL {
                return Err(Error::Control(kind, length));
            }
            if from.len() < HEAD + length {
                from.reserve(HEAD + length - from.len());
                return Ok(None);
            }
            from.advance(HEAD);
            let payload = from.split_to(length);
            if let Some(frame) = self.control(kind, flags & FIN != 0, &payload)? {
                return Ok(Some(frame));
            }
        }
    }
}

impl Decoder {
    /// As much of a data frame as there is; nothing yet if that is nothing.
    fn piece(&mut self, mut rest: Rest, from: &mut BytesMut) -> Option<Frame> {
        let take = from.len().min(rest.left).min(MAX_DATA);
        if take == 0 && rest.left > 0 {
            self.data = Some(rest);
            return None;
        }
        rest.left -= take;
        let (stream, last) = (rest.stream, rest.left == 0);
        let fin = rest.fin && last;
        if !last {
            self.data = Some(rest);
        }
        Some(Frame::Data {
            stream,
            fin,
            bytes: from.split_to(take).freeze(),
        })
    }

    /// A control frame; `None` for a type that is not known, which is passed over.
    fn control(&mut self, kind: u16, fin: bool, payload: &[u8]) -> Result<Option<Frame>, Error> {
        let word = |at: usize| {
            let bytes = payload.get(at..).and_then(|rest| rest.first_chunk::<4>());
            bytes
                .map(|bytes| u32::from_be_bytes(*bytes))
                .ok_or(Error::Control(kind, payload.len()))
        };
        let id = |at: usize| word(at).map(|id| id & !(1 << 31));
        let block = |at: usize| payload.get(at..).ok_or(Error::Control(kind, payload.len()));
        Ok(Some(match kind {
            SYN_STREAM => Frame::SynStream {
                stream: id(0)?,
                fin,
                headers: self.inflater.read(block(10)?)?,
            },
            SYN_REPLY => Frame::SynReply {
                stream: id(0)?,
                fin,
                headers: self.inflater.read(block(4)?)?,
            },
            HEADERS => Frame::Headers {
                stream: id(0)?,
                fin,
                headers: self.inflater.read(block(4)?)?,
            },
            RST_STREAM => Frame::RstStream {
                stream: id(0)?,
                status: word(4)?,
            },
            SETTINGS => Frame::Settings,
            PING => Frame::Ping { id: word(0)? },
            GOAWAY => Frame::GoAway {
                last: id(0)?,
                status: word(4)?,
            },
            WINDOW_UPDATE => Frame::WindowUpdate {
                stream: id(0)?,
                delta: id(4)?,
            },
            _ => return Ok(None),
        }))
    }
}

/// Writes frames.
#[derive(Default)]
pub struct Encoder(Deflater);

impl codec::Encoder<Frame> for Encoder {
    type Error = Error;

    fn encode(&mut self, frame: Frame, to: &mut BytesMut) -> Result<(), Error> {
        let mut control = |kind: u16, fin: bool, words: &[u32], rest: &[u8]| {
            let length = words.len() * 4 + rest.len();
            to.put_u32(1 << 31 | 3 << 16 | u32::from(kind));
            to.put_u32(u32::from(fin) << 24 | u32::try_from(length).unwrap_or(0) & 0x00ff_ffff);
            words.iter().for_each(|word| to.put_u32(*word));
            to.put_slice(rest);
        };
        match frame {
            Frame::SynStream {
                stream,
                fin,
                headers,
            } => {
                // No stream that it belongs to; the highest priority, no slot.
                let mut rest = vec![0, 0];
                rest.extend(self.0.write(&headers)?);
                control(SYN_STREAM, fin, &[stream, 0], &rest);
            }
            Frame::SynReply {
                stream,
                fin,
                headers,
            } => {
                control(SYN_REPLY, fin, &[stream], &self.0.write(&headers)?);
            }
            Frame::Headers {
                stream,
                fin,
                headers,
            } => {
                control(HEADERS, fin, &[stream], &self.0.write(&headers)?);
            }
            Frame::RstStream { stream, status } => {
                control(RST_STREAM, false, &[stream, status], &[])
            }
            Frame::Settings => control(SETTINGS, false, &[0], &[]),
            Frame::Ping { id } => control(PING, false, &[id], &[]),
            Frame::GoAway { last, status } => control(GOAWAY, false, &[last, status], &[]),
            Frame::WindowUpdate { stream, delta } => {
                control(WINDOW_UPDATE, false, &[stream, delta], &[]);
            }
            Frame::Data { stream, fin, bytes } => {
                let mut pieces = bytes.chunks(MAX_DATA).peekable();
                if bytes.is_empty() {
                    to.put_u32(stream);
                    to.put_u32(u32::from(fin) << 24);
                }
                while let Some(piece) = pieces.next() {
                    let fin = fin && pieces.peek().is_none();
                    to.put_u32(stream);
                    // No piece is longer than MAX_DATA.
                    to.put_u32(u32::from(fin) << 24 | piece.len() as u32);
                    to.put_slice(piece);
                }
            }
        }
        Ok(())
    }
}
