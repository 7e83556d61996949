//! The meter of HTTP/2 floods: however the bytes are cut, the verdict is the same, and one that is against the client stays.
#![no_main]

use bartizan_proxy::flood::Meter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, u8, &[u8])| {
    let (cut, times, bytes) = input;
    let (mut whole, mut pieces) = (Meter::default(), Meter::default());
    let cut = usize::from(cut).min(bytes.len());
    for _ in 0..times {
        let of_whole = whole.read(bytes);
        let of_pieces = pieces.read(&bytes[..cut]) && pieces.read(&bytes[cut..]);
        assert_eq!(of_whole, of_pieces);
        assert!(of_whole || !whole.read(&[]));
    }
});
