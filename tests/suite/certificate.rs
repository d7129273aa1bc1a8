//! Certificates for the blocks that name `$TEST_NGINX_CERT_DIR`: made once, by `tools/certificates`.
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::settings::package_root;

/// The folder with them.
pub(crate) fn folder() -> Result<String, String> {
    static FOLDER: OnceLock<Result<String, String>> = OnceLock::new();
    FOLDER.get_or_init(make).clone()
}

fn make() -> Result<String, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("certificates");
    let tool = package_root().join("tools/certificates");
    let done = Command::new(&tool).arg(&folder).output();
    let done = done.map_err(|e| format!("{}: {e}", tool.display()))?;
    if !done.status.success() {
        return Err(format!("{}: {}", tool.display(), String::from_utf8_lossy(&done.stderr)));
    }
    Ok(folder.display().to_string())
}
