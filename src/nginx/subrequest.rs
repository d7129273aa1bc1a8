//! Subrequests: requests inside of a request, whose end somebody waits for.
//!
//! nginx's own way to make one queues its output behind the parent's; here the output is taken away
//! before nginx's postpone filter sees it, and the parent goes on when the subrequest says so. Which request's output
//! is next on the connection is nginx's business all the while.
#![allow(unsafe_code)]
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr;

use super::headers::{self, Mode, NotSet};
use super::log::Text;
use super::sys::{self, ngx_http_request_t, ngx_int_t};
use super::uri::Target;
use super::{Level, Request, debug};

/// How nginx calls who waits for a subrequest's end, with the code it ends with.
pub(crate) type OnDone =
    unsafe extern "C" fn(*mut ngx_http_request_t, *mut c_void, ngx_int_t) -> ngx_int_t;

/// Memory for nginx's note of who waits for a subrequest.
pub(crate) struct DonePlace(UnsafeCell<sys::ngx_http_post_subrequest_t>);

impl DonePlace {
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(sys::ngx_http_post_subrequest_t {
            handler: None,
            data: ptr::null_mut(),
        }))
    }
}

/// Where a subrequest's variables come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Variables {
    Fresh,
    /// They are the parent's own.
    Shared,
    Copied,
}

/// What a subrequest sends as its body.
#[derive(Clone, Copy)]
pub(crate) enum BodySource<'a> {
    /// The parent's, if nginx has read it.
    Parent,
    Nothing,
    Bytes(&'a [u8]),
}

/// Why there is no subrequest; it has been logged.
#[derive(Debug)]
pub(crate) struct NoSubrequest;

/// How many holds of a request nginx keeps for other purposes.
const RESERVED_COUNT: u16 = 1000;

const HEADERS: usize = 8;
const TRAILERS: usize = 4;

// SAFETY (every block of this impl): [request-alive]; a subrequest lies in the pool of its main request, and
// lives as long.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Request {
    /// A subrequest that nginx does not know of yet: [`Request::launch`] starts it. `on_done(data)` is
    /// called when it ends, `place` lies in the pool.
    pub(crate) fn subrequest(
        self,
        target: Target,
        place: &DonePlace,
        on_done: OnDone,
        data: *const c_void,
    ) -> Result<Self, NoSubrequest> {
        let refuse = |level, what: &str| {
            self.log()
                .print(level, format_args!("{what} while processing \"{}\"", Text(target.uri)));
            Err(NoSubrequest)
        };
        unsafe {
            let parent = self.as_ptr();
            let depth = ngx_http_request_t::subrequests_raw(parent);
            if depth == 0 {
                return refuse(Level::Error, "lua subrequests cycle");
            }
            if self.count() >= u16::MAX - RESERVED_COUNT {
                return refuse(Level::Crit, "request reference counter overflow");
            }
            let pool = self.pool().as_ptr();
            let r = sys::ngx_pcalloc(pool, size_of::<ngx_http_request_t>())
                .cast::<ngx_http_request_t>();
            let subrequest = Self::from_raw(r).ok_or(NoSubrequest)?;
            (*r).ctx = sys::ngx_pcalloc(pool, sys::ngx_http_max_module * size_of::<usize>()).cast();
            let headers_out = &raw mut (*r).headers_out;
            if (*r).ctx.is_null()
                || !headers::init_list(&raw mut (*headers_out).headers, self.pool(), HEADERS)
                || !headers::init_list(&raw mut (*headers_out).trailers, self.pool(), TRAILERS)
            {
                return Err(NoSubrequest);
            }
            (*headers_out).content_length_n = -1;
            (*headers_out).last_modified_time = -1;
            (*r).signature = sys::NGX_HTTP_MODULE;
            (*r).connection = (*parent).connection;
            let confs = (*self.core_server_conf()).ctx;
            (*r).main_conf = (*confs).main_conf;
            (*r).srv_conf = (*confs).srv_conf;
            (*r).loc_conf = (*confs).loc_conf;
            (*r).pool = pool;
            (*r).header_in = (*parent).header_in;
            (*r).request_body = (*parent).request_body;
            #[cfg(ngx_feature = "http_v2")]
            {
                (*r).stream = (*parent).stream;
            }
            (*r).http_version = (*parent).http_version;
            (*r).request_line = (*parent).request_line;
            (*r).uri = sys::str_of(target.uri);
            (*r).args = target.args.map_or(sys::NO_STR, sys::str_of);
            debug!(
                self.log(),
                "lua http subrequest \"{}?{}\"",
                Text(target.uri),
                Text(target.query())
            );
            (*r).unparsed_uri = (*parent).unparsed_uri;
            (*r).http_protocol = (*parent).http_protocol;
            (*r).schema = (*parent).schema;
            sys::ngx_http_set_exten(r);
            (*r).main = (*parent).main;
            (*r).parent = parent;
            let post = place.0.get();
            (*post).handler = Some(on_done);
            (*post).data = data.cast_mut();
            (*r).post_subrequest = post;
            (*r).read_event_handler = Some(sys::ngx_http_request_empty_handler);
            (*r).write_event_handler = Some(sys::ngx_http_handler);
            (*r).variables = (*parent).variables;
            (*r).log_handler = (*parent).log_handler;
            ngx_http_request_t::set_internal_raw(r, 1);
            ngx_http_request_t::set_expect_tested_raw(r, 1);
            if ngx_http_request_t::discard_body_raw(parent) != 0 {
                ngx_http_request_t::set_discard_body_raw(r, 1);
            }
            if ngx_http_request_t::main_filter_need_in_memory_raw(parent) != 0 {
                ngx_http_request_t::set_main_filter_need_in_memory_raw(r, 1);
            }
            ngx_http_request_t::set_uri_changes_raw(r, sys::NGX_HTTP_MAX_URI_CHANGES + 1);
            ngx_http_request_t::set_subrequests_raw(r, depth - 1);
            let time = sys::ngx_timeofday();
            (*r).start_sec = time.sec;
            (*r).start_msec = time.msec;
            Ok(subrequest)
        }
    }

    /// Starts a subrequest: nginx runs it when the event handler that is running is done.
    pub(crate) fn launch(self) -> Result<(), NoSubrequest> {
        unsafe {
            if self.count() >= u16::MAX - RESERVED_COUNT
                || sys::ngx_http_post_request(self.as_ptr(), ptr::null_mut()) != sys::OK
            {
                return Err(NoSubrequest);
            }
        }
        self.hold();
        Ok(())
    }

    /// What was handed to [`Request::subrequest`] together with `on_done`.
    #[inline]
    pub(crate) fn done_data(self, on_done: OnDone) -> Option<*mut c_void> {
        unsafe {
            let post = (*self.as_ptr()).post_subrequest.as_ref()?;
            let same = post.handler.is_some_and(|handler| ptr::fn_addr_eq(handler, on_done));
            same.then_some(post.data)
        }
    }

    /// Lets it end beside the requests whose output nginx puts in order: its own was taken away. nginx would wait until
    /// its turn has come, and then take its parent's for the next.
    pub(crate) fn end_apart(self) {
        unsafe {
            let r = self.as_ptr();
            ngx_http_request_t::set_background_raw(r, 1);
            // The body that is discarded is its main request's.
            ngx_http_request_t::set_discard_body_raw(r, 0);
        }
    }

    /// Has nginx call the request's write handler, which becomes `handler`, before anything else that is
    /// posted.
    pub(crate) fn post_first(self, handler: unsafe extern "C" fn(*mut ngx_http_request_t)) {
        unsafe {
            (*self.as_ptr()).write_event_handler = Some(handler);
            let posted = self.pool().place(sys::ngx_http_posted_request_t {
                request: self.as_ptr(),
                next: (*self.main().as_ptr()).posted_requests,
            });
            // Without memory nginx's own note of the ended subrequest has to do.
            if let Some(posted) = posted {
                (*self.main().as_ptr()).posted_requests = ptr::from_ref(posted).cast_mut();
            }
        }
    }

    /// Takes the request from nginx's queue: it runs now.
    pub(crate) fn forget_posted(self) {
        unsafe {
            let mut link = &raw mut (*self.main().as_ptr()).posted_requests;
            while let Some(posted) = (*link).as_mut() {
                if posted.request == self.as_ptr() {
                    *link = posted.next;
                } else {
                    link = &raw mut posted.next;
                }
            }
        }
    }

    /// Gives a subrequest the parent's headers, and a body with a Content-Length that goes with it.
    pub(crate) fn inherit_body(
        self,
        parent: Self,
        body: BodySource<'_>,
    ) -> Result<(), NoSubrequest> {
        headers::request::inherit(self, parent).map_err(|NotSet| NoSubrequest)?;
        unsafe {
            let r = self.as_ptr();
            let body_len = match body {
                BodySource::Parent => {
                    self.share_temp_file()?;
                    if (*parent.as_ptr()).headers_in.chunked() == 0 {
                        // What the parent says of its body holds.
                        return Ok(());
                    }
                    (*r).request_body.as_ref().map(|body| chain_len(body.bufs))
                }
                BodySource::Nothing => {
                    (*r).request_body = ptr::null_mut();
                    None
                }
                BodySource::Bytes(bytes) => {
                    (*r).request_body = self.body_of(bytes).ok_or(NoSubrequest)?;
                    Some(bytes.len())
                }
            };
            let value = body_len.map(|len| len.to_string()).unwrap_or_default();
            let set =
                headers::request::set(self, b"Content-Length", value.as_bytes(), Mode::Replace);
            set.map_err(|NotSet| NoSubrequest)
        }
    }

    /// A body in memory.
    fn body_of(self, bytes: &[u8]) -> Option<*mut sys::ngx_http_request_body_t> {
        unsafe {
            let pool = self.pool().as_ptr();
            let body = sys::ngx_pcalloc(pool, size_of::<sys::ngx_http_request_body_t>())
                .cast::<sys::ngx_http_request_body_t>();
            let place = body.as_mut()?;
            if !bytes.is_empty() {
                let buf = sys::ngx_create_temp_buf(pool, bytes.len()).as_mut()?;
                buf.last.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
                buf.last = buf.last.add(bytes.len());
                let link = sys::ngx_alloc_chain_link(pool).as_mut()?;
                link.buf = buf;
                link.next = ptr::null_mut();
                place.bufs = link;
                place.buf = buf;
            }
            Some(body)
        }
    }

    /// Gives a subrequest a note of its own of the file that holds the parent's body.
    fn share_temp_file(self) -> Result<(), NoSubrequest> {
        unsafe {
            let r = self.as_ptr();
            let Some(body) = (*r).request_body.as_ref() else { return Ok(()) };
            let Some(file) = body.temp_file.as_ref() else { return Ok(()) };
            if file.persistent() == 0 || file.clean() == 0 {
                self.log().write(Level::Error, b"the request body was not read by ngx_lua");
                return Err(NoSubrequest);
            }
            let mut copy = *body;
            copy.temp_file =
                ptr::from_ref(self.pool().place(*file).ok_or(NoSubrequest)?).cast_mut();
            (*r).request_body =
                ptr::from_ref(self.pool().place(copy).ok_or(NoSubrequest)?).cast_mut();
        }
        Ok(())
    }

    /// Gives a subrequest its variables; they were the parent's until now.
    pub(crate) fn inherit_variables(self, variables: Variables) -> Result<(), NoSubrequest> {
        unsafe {
            let r = self.as_ptr();
            let count = (*self.core_main_conf()).variables.nelts;
            let size = count * size_of::<sys::ngx_http_variable_value_t>();
            let pool = self.pool().as_ptr();
            let own = match variables {
                Variables::Shared => return Ok(()),
                Variables::Fresh => sys::ngx_pcalloc(pool, size),
                Variables::Copied => sys::ngx_palloc(pool, size),
            };
            if own.is_null() {
                return Err(NoSubrequest);
            }
            let own = own.cast::<sys::ngx_http_variable_value_t>();
            if variables == Variables::Copied {
                own.copy_from_nonoverlapping((*r).variables, count);
            }
            (*r).variables = own;
        }
        Ok(())
    }

    /// What nginx's own special response would make of a subrequest that ended with `status`.
    pub(crate) fn set_error_status(self, status: usize) {
        unsafe {
            let r = self.as_ptr();
            (*r).err_status = status;
            ngx_http_request_t::set_expect_tested_raw(r, 1);
            let out = &raw mut (*r).headers_out;
            (*out).content_type.len = 0;
            (*out).content_length_n = 0;
            ngx_http_request_t::set_allow_ranges_raw(r, 0);
            headers::response::clear_slot(&raw mut (*out).accept_ranges);
            (*out).last_modified_time = -1;
            headers::response::clear_slot(&raw mut (*out).last_modified);
        }
    }

    fn core_server_conf(self) -> *mut sys::ngx_http_core_srv_conf_t {
        unsafe {
            let index = sys::ngx_http_core_module.ctx_index;
            (*(*self.as_ptr()).srv_conf.add(index)).cast()
        }
    }

    /// Whether the parent announced a body by its length.
    pub(crate) fn has_content_length(self) -> bool {
        unsafe { (*self.as_ptr()).headers_in.content_length_n > 0 }
    }

    /// Marks the headers as sent, and has files read into memory for who takes the body.
    pub(crate) fn capture_output(self) {
        unsafe {
            let r = self.as_ptr();
            ngx_http_request_t::set_filter_need_in_memory_raw(r, 1);
            ngx_http_request_t::set_header_sent_raw(r, 1);
            if (*r).method == sys::NGX_HTTP_HEAD as usize {
                ngx_http_request_t::set_header_only_raw(r, 1);
            }
        }
    }
}

/// # Safety
/// The chain is that of a live request's body.
unsafe fn chain_len(mut chain: *const sys::ngx_chain_t) -> usize {
    let mut len: usize = 0;
    // SAFETY: the caller's contract.
    unsafe {
        while let Some(link) = chain.as_ref() {
            let b = link.buf;
            len += if (*b).temporary() != 0 || (*b).memory() != 0 || (*b).mmap() != 0 {
                (*b).last.addr().saturating_sub((*b).pos.addr())
            } else {
                usize::try_from((*b).file_last - (*b).file_pos).unwrap_or_default()
            };
            chain = link.next;
        }
    }
    len
}
