//! References of images, as the fleet file and searches name them: what is taken prints back, and is meant by each of its parts.
#![no_main]

use bartizan_core::software::{IMAGE_BYTES_MAX, Image, is_version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = is_version(text);
    let Ok(image) = Image::parse(text) else { return };
    assert!(text.len() <= IMAGE_BYTES_MAX && text.is_ascii());
    assert_eq!(image.as_str(), text);
    assert!(image.is_meant_by(text));
    for part in [image.name(), image.digest()].into_iter().flatten() {
        assert!(image.is_meant_by(part), "{part} of {text}");
        assert!(Image::parse(part).is_ok(), "{part} of {text}");
    }
});
