//! gzip, bounded by what comes out of it.

use flate2::read::MultiGzDecoder;
use std::io::Read;

/// Why nothing came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// It is no gzip, or not all of it.
    #[error("not gzip, or cut off")]
    Broken,
    /// More came out than may.
    #[error("it has more bytes than may come out of it")]
    TooLong,
}

/// What is packed in `bytes`, at most `bytes_max`.
///
/// # Errors
/// [`UnpackError`].
pub fn gunzip(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, UnpackError> {
    let mut out = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(bytes_max as u64 + 1).read_to_end(&mut out);
    if out.len() > bytes_max {
        return Err(UnpackError::TooLong);
    }
    read.map(|_| out).map_err(|_| UnpackError::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_bomb_ends_where_it_may() {
        let bomb = packed(&vec![0; 1 << 20]);
        assert_eq!(gunzip(&bomb, (1 << 20) - 1), Err(UnpackError::TooLong));
        assert_eq!(gunzip(&bomb, 1 << 20).unwrap().len(), 1 << 20);
        assert_eq!(gunzip(&bomb[..bomb.len() - 1], 1 << 20), Err(UnpackError::Broken));
        assert_eq!(gunzip(b"no gzip at all", 100), Err(UnpackError::Broken));
    }
}
