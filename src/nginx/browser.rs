//! Which browser a User-Agent names, as nginx's own parser sees it.
#![allow(unsafe_code)]
use super::Request;

/// The marks of `headers_in`; none of them is set for other browsers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Browser {
    msie: bool,
    msie6: bool,
    opera: bool,
    gecko: bool,
    chrome: bool,
    safari: bool,
    konqueror: bool,
}

impl Browser {
    pub(crate) fn of(user_agent: &[u8]) -> Self {
        let find = |word: &[u8]| user_agent.windows(word.len()).position(|w| w == word);
        let names = |word: &[u8]| find(word).is_some();
        if names(b"Opera") {
            return Self { opera: true, ..Self::default() };
        }
        if let Some(rest) = find(b"MSIE ").map(|at| &user_agent[at + 5..]) {
            // The version has to stand there: two bytes, and one behind them.
            if let [major, dot, _, ..] = rest {
                let is_old = match (dot, major) {
                    (b'.', b'4' | b'5') => true,
                    (b'.', b'6') => !rest[3..].windows(3).any(|w| w == b"SV1"),
                    _ => false,
                };
                return Self { msie: true, msie6: is_old, ..Self::default() };
            }
        }
        if names(b"Gecko/") {
            Self { gecko: true, ..Self::default() }
        } else if names(b"Chrome/") {
            Self { chrome: true, ..Self::default() }
        } else if names(b"Safari/") && names(b"Mac OS X") {
            Self { safari: true, ..Self::default() }
        } else {
            Self { konqueror: names(b"Konqueror"), ..Self::default() }
        }
    }

    pub(crate) fn note(&self, r: Request) {
        // SAFETY: [request-alive]
        let h = unsafe { &mut (*r.as_ptr()).headers_in };
        h.set_msie(self.msie.into());
        h.set_msie6(self.msie6.into());
        h.set_opera(self.opera.into());
        h.set_gecko(self.gecko.into());
        h.set_chrome(self.chrome.into());
        h.set_safari(self.safari.into());
        h.set_konqueror(self.konqueror.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers() {
        let none = Browser::default;
        for (user_agent, browser) in [
            ("curl/8.0", none()),
            ("Mozilla/5.0 (compatible; MSIE 10.0;", Browser { msie: true, ..none() }),
            ("x MSIE 5.5; y", Browser { msie: true, msie6: true, ..none() }),
            ("x MSIE 6.0; y", Browser { msie: true, msie6: true, ..none() }),
            ("x MSIE 6.0; SV1; y", Browser { msie: true, ..none() }),
            ("x MSIE 6.", none()),
            ("MSIE 6.0; Opera 7", Browser { opera: true, ..none() }),
            ("Gecko/1 Chrome/2", Browser { gecko: true, ..none() }),
            ("Chrome/2 Safari/1 Mac OS X", Browser { chrome: true, ..none() }),
            ("Safari/1 Mac OS X", Browser { safari: true, ..none() }),
            ("Safari/1", none()),
            ("Konqueror/4", Browser { konqueror: true, ..none() }),
        ] {
            assert_eq!(Browser::of(user_agent.as_bytes()), browser, "{user_agent}");
        }
    }
}
