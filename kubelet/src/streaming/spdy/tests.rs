use bytes::{Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use proptest::prelude::*;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio_util::codec::{Decoder as _, Encoder as _, FramedRead, FramedWrite};

use super::frame::MAX_DATA;
use super::{Connection, Decoder, Encoder, Event, Frame, Headers};
use crate::streaming::idle::Idle;

fn headers() -> impl Strategy<Value = Headers> {
    prop::collection::vec(("[a-z-]{1,20}", ".{0,80}"), 0..8)
}

fn frames() -> impl Strategy<Value = Frame> {
    let id = 1..1u32 << 31;
    let data = prop::collection::vec(any::<u8>(), 0..3000);
    prop_oneof![
        (id.clone(), any::<bool>(), headers()).prop_map(|(stream, fin, headers)| {
            Frame::SynStream {
                stream,
                fin,
                headers,
            }
        }),
        (id.clone(), any::<bool>(), headers()).prop_map(|(stream, fin, headers)| Frame::SynReply {
            stream,
            fin,
            headers
        }),
        (id.clone(), any::<bool>(), headers()).prop_map(|(stream, fin, headers)| Frame::Headers {
            stream,
            fin,
            headers
        }),
        (id.clone(), any::<u32>()).prop_map(|(stream, status)| Frame::RstStream { stream, status }),
        Just(Frame::Settings),
        any::<u32>().prop_map(|id| Frame::Ping { id }),
        (id.clone(), any::<u32>()).prop_map(|(last, status)| Frame::GoAway { last, status }),
        (id.clone(), 0..1u32 << 31)
            .prop_map(|(stream, delta)| Frame::WindowUpdate { stream, delta }),
        (id, any::<bool>(), data).prop_map(|(stream, fin, data)| Frame::Data {
            stream,
            fin,
            bytes: data.into()
        }),
    ]
}

/// Data frames are handed on in pieces: joined again, so that lists can be compared.
fn joined(frames: Vec<Frame>) -> Vec<Frame> {
    let mut all: Vec<Frame> = Vec::new();
    for frame in frames {
        match (all.last_mut(), frame) {
            (
                Some(Frame::Data { stream, fin, bytes }),
                Frame::Data {
                    stream: next,
                    fin: ends,
                    bytes: more,
                },
            ) if *stream == next && !*fin => {
                *bytes = [bytes.as_ref(), more.as_ref()].concat().into();
                *fin = ends;
            }
            (_, frame) => all.push(frame),
        }
    }
    all
}

/// The frames in `input`, which comes in pieces of `piece` bytes.
fn read(input: &[u8], piece: usize) -> Result<Vec<Frame>, super::Error> {
    let (mut decoder, mut buffer, mut frames) = (Decoder::default(), BytesMut::new(), Vec::new());
    for piece in input.chunks(piece.max(1)) {
        buffer.extend_from_slice(piece);
        while let Some(frame) = decoder.decode(&mut buffer)? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_in_any_pieces(frames in prop::collection::vec(frames(), 0..12), piece in 1usize..5000) {
        let (mut encoder, mut wire) = (Encoder::default(), BytesMut::new());
        for frame in frames.clone() {
            encoder.encode(frame, &mut wire).unwrap();
        }
        prop_assert_eq!(joined(read(&wire, piece).unwrap()), joined(frames));
    }

    /// Whatever comes: an error or frames, never a panic, and never more kept than the longest control frame.
    #[test]
    fn anything_at_all_is_survived(
        mut input in prop::collection::vec(any::<u8>(), 0..4000),
        kind in 0u8..12,
        length in 0u16..3000,
        controlled in any::<bool>(),
    ) {
        if controlled && input.len() >= 8 {
            let [high, low] = length.to_be_bytes();
            input[..8].copy_from_slice(&[0x80, 3, 0, kind, 0, 0, high, low]);
        }
        let (mut decoder, mut buffer) = (Decoder::default(), BytesMut::new());
        'all: for piece in input.chunks(97) {
            buffer.extend_from_slice(piece);
            loop {
                match decoder.decode(&mut buffer) {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => break 'all,
                }
            }
            prop_assert!(buffer.capacity() < 200_000);
        }
    }
}

#[test]
fn a_small_block_that_grows_without_end_is_refused() {
    // 4 MiB of one letter are 40 KiB compressed: they are given up long before they are all there.
    let bomb: Headers = vec![("a".into(), "x".repeat(4 << 20))];
    let frame = Frame::SynStream {
        stream: 1,
        fin: false,
        headers: bomb,
    };
    let mut wire = BytesMut::new();
    Encoder::default().encode(frame, &mut wire).unwrap();
    assert!(wire.len() < 64 * 1024, "{}", wire.len());
    assert!(matches!(read(&wire, 4096), Err(super::Error::Headers(_))));
}

#[test]
fn a_long_control_frame_and_another_version_are_refused_at_their_head() {
    let long = [0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff];
    assert!(matches!(
        read(&long, 8),
        Err(super::Error::Control(1, 0x00ff_ffff))
    ));
    let other = [0x80, 2, 0, 1, 0, 0, 0, 10];
    assert!(matches!(read(&other, 8), Err(super::Error::Version(2))));
}

#[test]
fn a_data_frame_as_long_as_there_can_be_is_handed_on_piece_by_piece() {
    let mut wire = vec![0, 0, 0, 1, 1, 0xff, 0xff, 0xff];
    wire.resize(8 + 0x00ff_ffff, 7);
    let frames = read(&wire, 300_000).unwrap();
    let mut sum = 0;
    for (at, frame) in frames.iter().enumerate() {
        let Frame::Data {
            stream: 1,
            fin,
            bytes,
        } = frame
        else {
            panic!("{frame:?}")
        };
        assert!(bytes.len() <= MAX_DATA);
        assert_eq!(*fin, at == frames.len() - 1);
        sum += bytes.len();
    }
    assert_eq!(sum, 0x00ff_ffff);
}

struct Client {
    read: FramedRead<tokio::io::ReadHalf<DuplexStream>, Decoder>,
    write: FramedWrite<tokio::io::WriteHalf<DuplexStream>, Encoder>,
}

fn connect() -> (Client, Connection) {
    let (client, server) = duplex(1024);
    let (read, write) = tokio::io::split(client);
    let client = Client {
        read: FramedRead::new(read, Decoder::default()),
        write: FramedWrite::new(write, Encoder::default()),
    };
    (client, Connection::serve(server, Idle::default()))
}

impl Client {
    async fn open(&mut self, stream: u32) -> Frame {
        let headers = vec![("streamtype".into(), "data".into())];
        self.write
            .send(Frame::SynStream {
                stream,
                fin: false,
                headers,
            })
            .await
            .unwrap();
        self.read.next().await.unwrap().unwrap()
    }

    async fn data(&mut self, stream: u32, bytes: &'static [u8], fin: bool) {
        let bytes = Bytes::from_static(bytes);
        self.write
            .send(Frame::Data { stream, fin, bytes })
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_stream_goes_both_ways_and_each_way_ends_by_itself() {
    let (mut client, mut server) = connect();
    let reply = client.open(1).await;
    assert_eq!(
        reply,
        Frame::SynReply {
            stream: 1,
            fin: false,
            headers: vec![]
        }
    );
    let stream = server.accept().await.unwrap();
    assert_eq!(
        (stream.id(), stream.header("streamtype")),
        (1, Some("data"))
    );
    let (mut events, writer) = stream.split();
    client.data(1, b"in", true).await;
    assert_eq!(events.recv().await, Some(Event::Data("in".into())));
    assert_eq!(events.recv().await, Some(Event::Fin));
    assert!(writer.write("out".into()).await);
    writer.finish().await;
    let sent = [
        client.read.next().await.unwrap().unwrap(),
        client.read.next().await.unwrap().unwrap(),
    ];
    assert_eq!(
        sent[0],
        Frame::Data {
            stream: 1,
            fin: false,
            bytes: "out".into()
        }
    );
    assert_eq!(
        sent[1],
        Frame::Data {
            stream: 1,
            fin: true,
            bytes: Bytes::new()
        }
    );

    client.write.send(Frame::Ping { id: 7 }).await.unwrap();
    assert_eq!(
        client.read.next().await.unwrap().unwrap(),
        Frame::Ping { id: 7 }
    );
    let closed = server.closed();
    let closing = tokio::spawn(server.close());
    assert_eq!(
        client.read.next().await.unwrap().unwrap(),
        Frame::GoAway { last: 0, status: 0 }
    );
    assert!(client.read.next().await.is_none());
    client.write.get_mut().shutdown().await.unwrap();
    closing.await.unwrap();
    assert!(closed.is_cancelled());
}

#[tokio::test]
async fn a_reset_ends_both_ways_and_a_number_is_used_once() {
    let (mut client, mut server) = connect();
    client.open(1).await;
    assert_eq!(
        client.open(1).await,
        Frame::RstStream {
            stream: 1,
            status: 1
        }
    );
    assert_eq!(
        client.open(2).await,
        Frame::RstStream {
            stream: 2,
            status: 1
        }
    );
    let (mut events, writer) = server.accept().await.unwrap().split();
    client
        .write
        .send(Frame::RstStream {
            stream: 1,
            status: 5,
        })
        .await
        .unwrap();
    assert_eq!(events.recv().await, None);
    writer.gone().cancelled().await;
    assert!(!writer.write("x".into()).await);
}

/// A client that is gone leaves no task and no stream that waits.
#[tokio::test]
async fn the_end_of_the_connection_ends_all_streams() {
    let (mut client, mut server) = connect();
    client.open(1).await;
    let (mut events, writer) = server.accept().await.unwrap().split();
    let closed = server.closed();
    drop(client);
    closed.cancelled().await;
    assert_eq!(events.recv().await, None);
    writer.gone().cancelled().await;
    assert!(server.accept().await.is_none());
    // Nobody waits for it any more.
    server.close().await;
}

/// Dropped on the server's side, a client that neither reads nor closes is let go all the same.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_close_is_not_waited_for_long() {
    let (_client, server) = connect();
    let start = tokio::time::Instant::now();
    server.close().await;
    assert!(start.elapsed() < std::time::Duration::from_secs(6));
    let (_client, server) = connect();
    let closed = server.closed();
    drop(server);
    closed.cancelled().await;
}
