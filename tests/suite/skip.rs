//! Whether a block is left out on this nginx: `SKIP`, `skip_nginx`, `skip_nginx2`, `skip_openssl`.
use super::settings::{Settings, Version, version};
use super::spec::Block;
use super::value::Value;

/// `Ok(true)`: not for this nginx. An error is a spec that does not parse.
pub(crate) fn is_skipped(block: &Block, settings: &Settings) -> Result<bool, String> {
    if block.has("SKIP") {
        return Ok(true);
    }
    let mut skipped = false;
    for section in &block.sections {
        let actual = match section.name.as_str() {
            "skip_nginx" | "skip_nginx2" => Some(settings.nginx_version),
            "skip_openssl" => settings.openssl_version,
            _ => continue,
        };
        let Value::Text(spec) = section.value()? else { continue };
        let spec = String::from_utf8_lossy(&spec).into_owned();
        let holds = condition(&spec, actual);
        skipped |= holds.ok_or_else(|| format!("section `{}`: `{spec}`", section.name))?;
    }
    Ok(skipped)
}

/// `N: < 1.2.3`, `N: < 1.2.3 or >= 1.3.0`, each with an optional `: reason`. Without a version all hold.
pub(crate) fn condition(spec: &str, actual: Option<Version>) -> Option<bool> {
    let mut parts = spec.splitn(3, ':');
    parts.next()?.trim().parse::<u32>().ok()?;
    let condition = parts.next()?;
    let (any, terms): (bool, Vec<_>) = match condition.split_once(" or ") {
        Some((one, other)) => (true, vec![one, other]),
        None => (false, condition.split(" and ").collect()),
    };
    let holds: Option<Vec<bool>> = terms.iter().map(|term| comparison(term, actual)).collect();
    let holds = holds?;
    Some(if any { holds.contains(&true) } else { !holds.contains(&false) })
}

fn comparison(term: &str, actual: Option<Version>) -> Option<bool> {
    let term = term.trim();
    let operator = &term[..term.find(|c| c != '<' && c != '>' && c != '=')?];
    let text = term[operator.len()..].trim();
    let wanted = version(text.trim_end_matches(|c: char| c.is_ascii_lowercase()))?;
    let Some(actual) = actual else { return Some(true) };
    match operator {
        "<" => Some(actual < wanted),
        "<=" => Some(actual <= wanted),
        ">" => Some(actual > wanted),
        ">=" => Some(actual >= wanted),
        _ => None,
    }
}
