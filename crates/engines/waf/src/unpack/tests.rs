//! What unpacks and what does not.

//! Content that is packed, well and badly.

use super::*;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use flate2::{Compression, GzBuilder};
use proptest::prelude::*;
use std::io::Write;

const MOST: usize = 1 << 20;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

fn coding(values: &[&str]) -> Result<Option<Coding>, UnknownCoding> {
    Coding::of(values.iter().map(|value| value.as_bytes()))
}

#[test]
fn a_bomb_ends_early_and_what_is_large_at_its_bound() {
    let bomb = gzip(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 70_000, "{}", bomb.len());
    assert_eq!(Coding::Gzip.unpack(&bomb, usize::MAX), Err(UnpackError::Ratio));
    assert_eq!(Coding::Gzip.unpack(&bomb, MOST), Err(UnpackError::TooLarge(MOST)));
    let small = gzip(&vec![b' '; UNPACK_FREE_BYTES]);
    assert_eq!(
        Coding::Gzip.unpack(&small, MOST).map(|text| text.len()),
        Ok(UNPACK_FREE_BYTES),
        "what is small may be dull"
    );
    assert_eq!(Coding::Gzip.unpack(&gzip(&vec![b' '; UNPACK_FREE_BYTES + 1]), MOST), Err(UnpackError::Ratio));
    let noise: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let packed = zlib(&noise);
    assert_eq!(Coding::Deflate.unpack(&packed, noise.len()).as_deref(), Ok(&noise[..]));
    assert_eq!(Coding::Deflate.unpack(&packed, noise.len() - 1), Err(UnpackError::TooLarge(noise.len() - 1)));
}

#[test]
fn what_two_receivers_could_read_in_two_ways_is_not_read() {
    let text = br#"{"a":1}"#;
    let (good, other) = (gzip(text), gzip(br#"{"a":2}"#));
    assert_eq!(Coding::Gzip.unpack(&good, MOST).as_deref(), Ok(&text[..]));
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::best());
    raw.write_all(text).unwrap();
    for (coding, packed, why) in [
        (Coding::Gzip, [good.clone(), other].concat(), "two members"),
        (Coding::Gzip, [&good[..], &gzip(b"")].concat(), "an empty second member"),
        (Coding::Gzip, [&good[..], b" "].concat(), "something behind it"),
        (Coding::Gzip, [&good[..], &[0; 512]].concat(), "padding"),
        (Coding::Gzip, text.to_vec(), "not packed"),
        (Coding::Gzip, zlib(text), "packed in another way"),
        (Coding::Gzip, Vec::new(), "nothing"),
        (Coding::Deflate, Vec::new(), "nothing"),
        (Coding::Deflate, raw.finish().unwrap(), "deflate without zlib"),
        (Coding::Deflate, [zlib(text), zlib(text)].concat(), "two streams"),
    ] {
        assert_eq!(coding.unpack(&packed, MOST), Err(UnpackError::Broken), "{why}");
    }
    for (coding, packed) in [(Coding::Gzip, &good), (Coding::Deflate, &zlib(text))] {
        for cut in 0..packed.len() {
            assert_eq!(coding.unpack(&packed[..cut], MOST), Err(UnpackError::Broken), "{coding:?} cut at {cut}");
        }
        for at in packed.len() - 4..packed.len() {
            let mut changed = packed.clone();
            changed[at] ^= 1;
            assert_eq!(
                coding.unpack(&changed, MOST),
                Err(UnpackError::Broken),
                "{coding:?}: another checksum or length"
            );
        }
    }
    let mut long = good;
    let at = long.len() - 8;
    long[at] ^= 1;
    assert_eq!(Coding::Gzip.unpack(&long, MOST), Err(UnpackError::Broken), "another checksum");
}

#[test]
fn headers_of_gzip_are_read_to_their_end() {
    let text = b"text";
    let mut packer =
        GzBuilder::new().filename("a.json").comment("c").extra(vec![1, 2, 3]).write(Vec::new(), Compression::fast());
    packer.write_all(text).unwrap();
    let full = packer.finish().unwrap();
    assert_eq!(Coding::Gzip.unpack(&full, MOST).as_deref(), Ok(&text[..]));
    for cut in 0..full.len() {
        assert_eq!(Coding::Gzip.unpack(&full[..cut], MOST), Err(UnpackError::Broken), "cut at {cut}");
    }
    let plain = gzip(text);
    let with_flags = |flags: u8, more: &[u8]| {
        let mut packed = plain.clone();
        packed[3] = flags;
        packed.splice(10..10, more.iter().copied());
        Coding::Gzip.unpack(&packed, MOST)
    };
    let mut header = plain[..10].to_vec();
    header[3] = HEADER_CRC;
    let mut crc = Crc::new();
    crc.update(&header);
    let crc = crc.sum().to_le_bytes();
    assert_eq!(with_flags(HEADER_CRC, &crc[..2]).as_deref(), Ok(&text[..]));
    assert_eq!(
        with_flags(HEADER_CRC, &[crc[0], crc[1] ^ 1]),
        Err(UnpackError::Broken),
        "another checksum of the header"
    );
    for reserved in [32, 64, 128] {
        assert_eq!(with_flags(reserved, &[]), Err(UnpackError::Broken), "flag {reserved} means nothing");
    }
}

#[test]
fn one_coding_is_known_and_several_are_none() {
    for none in [&[][..], &["identity"], &["", "Identity , "]] {
        assert_eq!(coding(none), Ok(None), "{none:?}");
    }
    assert_eq!(coding(&["GZip"]), Ok(Some(Coding::Gzip)));
    assert_eq!(coding(&["x-gzip, identity"]), Ok(Some(Coding::Gzip)));
    assert_eq!(coding(&["deflate"]), Ok(Some(Coding::Deflate)));
    for bad in [&["br"][..], &["zstd"], &["gzip, gzip"], &["gzip", "deflate"], &["gzip;q=1"], &["\u{e9}"]] {
        assert_eq!(coding(bad), Err(UnknownCoding), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn what_was_packed_comes_out_whole(text in prop::collection::vec(any::<u8>(), 0..5000)) {
        prop_assert_eq!(Coding::Gzip.unpack(&gzip(&text), MOST), Ok(text.clone()));
        prop_assert_eq!(Coding::Deflate.unpack(&zlib(&text), MOST), Ok(text));
    }

    #[test]
    fn no_bytes_make_it_panic_or_grow(bytes in prop::collection::vec(any::<u8>(), 0..500), at in 0_usize..40, to in any::<u8>()) {
        let _ = (Coding::Gzip.unpack(&bytes, 1000), Coding::Deflate.unpack(&bytes, 1000));
        let mut packed = gzip(&bytes);
        let at = at % packed.len();
        packed[at] = to;
        if let Ok(opened) = Coding::Gzip.unpack(&packed, 1000) {
            prop_assert!(opened.len() <= 1000);
            prop_assert_eq!(opened, bytes, "the checksum holds");
        }
    }
}
