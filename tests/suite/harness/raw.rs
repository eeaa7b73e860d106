//! A publisher that writes AMQP's bytes itself: it sends what no client would, and RabbitMQ takes all the same.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const FRAME_END: u8 = 0xce;

/// What the broker and this publisher agree on.
pub(crate) const FRAME_MAX: usize = 131_072;

/// Properties as they are on the wire.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties {
    /// A table without its length.
    pub headers: Option<Vec<u8>>,
    pub message_id: Option<Vec<u8>>,
    pub kind: Option<Vec<u8>>,
    pub app_id: Option<Vec<u8>>,
}

impl Properties {
    fn bytes(&self) -> Vec<u8> {
        // Persistent.
        let mut flags = 1_u16 << 12;
        let mut values = Vec::new();
        if let Some(headers) = &self.headers {
            flags |= 1 << 13;
            values.extend(long(headers));
        }
        values.push(2);
        for (bit, text) in [(7, &self.message_id), (5, &self.kind), (3, &self.app_id)] {
            if let Some(text) = text {
                flags |= 1 << bit;
                values.extend(short(text));
            }
        }
        [flags.to_be_bytes().to_vec(), values].concat()
    }
}

/// A connection with one channel that confirms.
pub(crate) struct Raw(TcpStream);

impl Raw {
    /// Connects as `guest`.
    pub(crate) async fn connect(url: &str) -> Self {
        let address = url.rsplit_once('@').unwrap().1.split('/').next().unwrap();
        let mut raw = Self(TcpStream::connect(address).await.unwrap());
        raw.0.write_all(b"AMQP\x00\x00\x09\x01").await.unwrap();
        raw.answer(10, 10).await;
        let start_ok = [&long(b"")[..], &short(b"PLAIN"), &long(b"\0guest\0guest"), &short(b"en_US")].concat();
        raw.call(0, 10, 11, &start_ok).await;
        raw.answer(10, 30).await;
        let frame_max = u32::try_from(FRAME_MAX).unwrap().to_be_bytes();
        raw.call(0, 10, 31, &[&[0, 1][..], &frame_max, &[0, 0]].concat()).await;
        raw.call(0, 10, 40, &[&short(b"/")[..], &short(b""), &[0]].concat()).await;
        raw.answer(10, 41).await;
        raw.call(1, 20, 10, &short(b"")).await;
        raw.answer(20, 11).await;
        raw.call(1, 85, 10, &[0]).await;
        raw.answer(85, 11).await;
        raw
    }

    /// Publishes to a queue and waits for the confirm.
    pub(crate) async fn send(&mut self, queue: &str, properties: &Properties, body: &[u8]) {
        let publish = [&[0, 0][..], &short(b""), &short(queue.as_bytes()), &[0]].concat();
        self.call(1, 60, 40, &publish).await;
        let properties = properties.bytes();
        let header = [&60_u16.to_be_bytes()[..], &[0, 0], &(body.len() as u64).to_be_bytes(), &properties].concat();
        assert!(header.len() + 8 <= FRAME_MAX, "{} bytes are no frame", header.len() + 8);
        self.frame(HEADER, 1, &header).await;
        for piece in body.chunks(FRAME_MAX - 8) {
            self.frame(BODY, 1, piece).await;
        }
        self.answer(60, 80).await;
    }

    /// Takes the first message of a queue and gives it back, as a worker does that dies with it.
    pub(crate) async fn hand_back(&mut self, queue: &str) {
        self.call(1, 60, 70, &[&[0, 0][..], &short(queue.as_bytes()), &[0]].concat()).await;
        let got = self.answer(60, 71).await;
        // Not several, but back into the queue.
        self.call(1, 60, 120, &[&got[..8], &[2]].concat()).await;
    }

    /// Closes the connection: whatever was asked for is done then.
    pub(crate) async fn close(mut self) {
        let close = [&200_u16.to_be_bytes()[..], &short(b""), &[0; 4]].concat();
        self.call(0, 10, 50, &close).await;
        self.answer(10, 51).await;
    }

    async fn call(&mut self, channel: u16, class: u16, method: u16, arguments: &[u8]) {
        let payload = [&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat();
        self.frame(METHOD, channel, &payload).await;
    }

    async fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let frame = [&[kind][..], &channel.to_be_bytes(), &length, payload, &[FRAME_END]].concat();
        self.0.write_all(&frame).await.unwrap();
    }

    /// Waits for this method, past what belongs to a message; gives its arguments.
    async fn answer(&mut self, class: u16, method: u16) -> Vec<u8> {
        loop {
            let mut start = [0; 7];
            self.0.read_exact(&mut start).await.unwrap();
            let length = u32::from_be_bytes([start[3], start[4], start[5], start[6]]) as usize;
            let mut payload = vec![0; length + 1];
            self.0.read_exact(&mut payload).await.unwrap();
            assert_eq!(payload.pop(), Some(FRAME_END));
            if start[0] == METHOD {
                let wanted = [class.to_be_bytes(), method.to_be_bytes()].concat();
                assert_eq!(payload[..4], wanted, "{}", String::from_utf8_lossy(&payload));
                return payload.split_off(4);
            }
        }
    }
}

fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()][..], text].concat()
}

/// A long string or a table.
pub(crate) fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// A field of a table: its name, its type and its value.
pub(crate) fn field(name: &[u8], kind: u8, value: &[u8]) -> Vec<u8> {
    [&short(name)[..], &[kind], value].concat()
}
