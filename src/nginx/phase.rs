//! Where Lua runs, and what a phase handler tells nginx.
use super::sys;

/// A `*_by_lua*` context. The values are those that `ngx.get_phase` of lua-resty-core knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Phase {
    Init = 0,
    Set = 0x0_0001,
    Rewrite = 0x0_0002,
    Access = 0x0_0004,
    Content = 0x0_0008,
    Log = 0x0_0010,
    HeaderFilter = 0x0_0020,
    BodyFilter = 0x0_0040,
    Timer = 0x0_0080,
    InitWorker = 0x0_0100,
    Balancer = 0x0_0200,
    SslCertificate = 0x0_0400,
    SslSessionStore = 0x0_0800,
    SslSessionFetch = 0x0_1000,
    ExitWorker = 0x0_2000,
    SslClientHello = 0x0_4000,
    ServerRewrite = 0x0_8000,
    Precontent = 0x2_0000,
}

impl Phase {
    /// How many slots a table indexed by [`Phase::index`] needs.
    pub(crate) const SLOTS: usize = 18;

    pub(crate) const fn bit(self) -> u32 {
        self as u32
    }

    /// The position of the phase's bit; `Init`, which has none, shares 0 with `Set`.
    pub(crate) const fn index(self) -> usize {
        if self.bit() == 0 { 0 } else { self.bit().trailing_zeros() as usize }
    }

    /// The directive family, as it stands in chunk names: `access_by_lua`.
    pub(crate) const fn directive(self) -> &'static str {
        match self {
            Self::Init => "init_by_lua",
            Self::Set => "set_by_lua",
            Self::Rewrite => "rewrite_by_lua",
            Self::Access => "access_by_lua",
            Self::Content => "content_by_lua",
            Self::Log => "log_by_lua",
            Self::HeaderFilter => "header_filter_by_lua",
            Self::BodyFilter => "body_filter_by_lua",
            Self::Timer => "ngx.timer",
            Self::InitWorker => "init_worker_by_lua",
            Self::Balancer => "balancer_by_lua",
            Self::SslCertificate => "ssl_certificate_by_lua",
            Self::SslSessionStore => "ssl_session_store_by_lua",
            Self::SslSessionFetch => "ssl_session_fetch_by_lua",
            Self::ExitWorker => "exit_worker_by_lua",
            Self::SslClientHello => "ssl_client_hello_by_lua",
            Self::ServerRewrite => "server_rewrite_by_lua",
            Self::Precontent => "precontent_by_lua",
        }
    }

    /// The phase as error messages name it: `access_by_lua*`.
    pub(crate) fn context_name(self) -> String {
        match self {
            Self::Timer => self.directive().into(),
            _ => format!("{}*", self.directive()),
        }
    }
}

/// A set of phases.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Phases(u32);

impl Phases {
    pub(crate) const NONE: Self = Self(0);

    /// The phases that run before or as the response is produced, with a client.
    pub(crate) const REQUEST: Self = Self::of(&[
        Phase::ServerRewrite,
        Phase::Rewrite,
        Phase::Access,
        Phase::Precontent,
        Phase::Content,
    ]);

    /// Those in which events of a client's connection run Lua.
    pub(crate) const WITH_CLIENT: Self =
        Self::REQUEST.and(&[Phase::Set, Phase::HeaderFilter, Phase::BodyFilter, Phase::Log]);

    /// Where the reference may suspend a coroutine.
    pub(crate) const YIELDABLE: Self = Self::REQUEST.and(&[
        Phase::Timer,
        Phase::SslCertificate,
        Phase::SslSessionFetch,
        Phase::SslClientHello,
    ]);

    /// The same, and where only this module can wait: at the start of a worker (docs/decisions/0041).
    pub(crate) const WAITABLE: Self = Self::YIELDABLE.and(&[Phase::InitWorker]);

    pub(crate) const fn of(phases: &[Phase]) -> Self {
        Self(0).and(phases)
    }

    pub(crate) const fn and(self, phases: &[Phase]) -> Self {
        let (mut bits, mut i) = (self.0, 0);
        while i < phases.len() {
            bits |= phases[i].bit();
            i += 1;
        }
        Self(bits)
    }

    pub(crate) const fn without(self, phase: Phase) -> Self {
        Self(self.0 & !phase.bit())
    }

    pub(crate) const fn contains(self, phase: Phase) -> bool {
        self.0 & phase.bit() != 0
    }
}

/// How a handler leaves the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Lua is done: go on with the next phase.
    Continue,
    /// No Lua here, or none that decides: go on with the next handler.
    Decline,
    /// A coroutine waits: nginx must leave the request alone until it is woken.
    Suspend,
    /// The request goes on elsewhere, under another URI: one hold of it is to be given up.
    Redirected,
    /// End the request with this status, or with one of nginx's negative codes.
    End(isize),
    /// Close the request without another response.
    Abort,
}

impl Outcome {
    pub(crate) const SERVER_ERROR: Self = Self::End(500);

    /// What a raw nginx code means to a handler that passes it on.
    pub(crate) const fn from_code(code: isize) -> Self {
        match code {
            sys::OK => Self::Continue,
            sys::ERROR => Self::Abort,
            sys::DECLINED => Self::Decline,
            sys::DONE | sys::AGAIN => Self::Suspend,
            code => Self::End(code),
        }
    }

    pub(crate) const fn code(self) -> isize {
        match self {
            Self::Continue => sys::OK,
            Self::Decline => sys::DECLINED,
            Self::Suspend | Self::Redirected => sys::DONE,
            Self::End(code) => code,
            Self::Abort => sys::ERROR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yieldable_phases_are_those_of_the_reference() {
        for phase in [Phase::Rewrite, Phase::Content, Phase::Timer, Phase::SslClientHello] {
            assert!(Phases::YIELDABLE.contains(phase), "{phase:?}");
        }
        for phase in [Phase::Init, Phase::Log, Phase::BodyFilter, Phase::SslSessionStore] {
            assert!(!Phases::YIELDABLE.contains(phase), "{phase:?}");
        }
    }

    #[test]
    fn codes_survive_the_round_trip() {
        for code in [-1, -5, 0, 200, 403, 499] {
            assert_eq!(Outcome::from_code(code).code(), code);
        }
    }
}
