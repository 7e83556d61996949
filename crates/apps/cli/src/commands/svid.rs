//! `bartizan svid`: a small client of the node's Workload API.

use super::{place, print, print_json};
use crate::args::{SocketArgs, SvidFetchArgs, SvidJwtArgs};
use crate::failure::{Failure, chain};
use crate::render::utc;
use bartizan_core::{Secret, Timestamp};
use bartizan_crypto::{KeyPair, cert, key};
use bartizan_runtime::control_stream::{Channel, Code, Request, Status};
use bartizan_runtime::files::write_atomic;
use bartizan_runtime::workload_api::{self, SECURITY_HEADER};
use bartizan_runtime::workload_v1::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use bartizan_runtime::workload_v1::{JwtsvidRequest, X509svid, X509svidRequest};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Who the caller is to the node: identities and their ends, without keys.
pub(crate) async fn identities(at: &SocketArgs) -> Result<Vec<(String, Timestamp)>, Failure> {
    let (mut client, socket) = client(at).await?;
    let stream = client.fetch_x509svid(with_header(X509svidRequest {})).await;
    let mut stream = stream.map_err(|status| refused(&socket, &status))?.into_inner();
    let response = stream.message().await.map_err(|status| refused(&socket, &status))?;
    let svids = response.into_iter().flat_map(|response| response.svids);
    svids.map(|svid| read(svid).map(|one| (one.spiffe_id, one.not_after))).collect()
}

/// One identity, as it is printed. The key goes to a file and nowhere else.
#[derive(Serialize)]
struct Shown {
    spiffe_id: String,
    not_after: Timestamp,
    certificates: String,
    bundle: String,
    #[serde(skip)]
    key: Secret<String>,
}

/// One token, as it is printed.
#[derive(Serialize)]
struct ShownToken<'a> {
    spiffe_id: &'a str,
    token: &'a str,
}

/// Prints the caller's identities, and with `forever` each later set of them.
pub(crate) async fn fetch(args: &SvidFetchArgs, forever: bool) -> Result<(), Failure> {
    let (mut client, socket) = client(&args.at).await?;
    let stream = client.fetch_x509svid(with_header(X509svidRequest {})).await;
    let mut stream = stream.map_err(|status| refused(&socket, &status))?.into_inner();
    loop {
        let response = stream.message().await.map_err(|status| refused(&socket, &status))?;
        let response =
            response.ok_or_else(|| Failure::new("the node ended the stream; is it just being restarted?"))?;
        let shown = response.svids.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if let Some(dir) = &args.out {
            shown.iter().enumerate().try_for_each(|(n, one)| write(dir, n, one))?;
        }
        if args.json {
            print_json(&shown)?;
        } else {
            let line = |one: &Shown| format!("{} until {}\n", one.spiffe_id, utc(one.not_after));
            print(&shown.iter().map(line).collect::<String>())?;
        }
        if !forever {
            return Ok(());
        }
    }
}

/// Prints tokens, one a line.
pub(crate) async fn jwt(args: &SvidJwtArgs) -> Result<(), Failure> {
    let (mut client, socket) = client(&args.at).await?;
    let (audience, spiffe_id) = (args.audience.clone(), args.id.clone().unwrap_or_default());
    let response = client.fetch_jwtsvid(with_header(JwtsvidRequest { audience, spiffe_id })).await;
    let svids = response.map_err(|status| refused(&socket, &status))?.into_inner().svids;
    if args.json {
        let tokens: Vec<_> =
            svids.iter().map(|one| ShownToken { spiffe_id: &one.spiffe_id, token: &one.svid }).collect();
        return print_json(&tokens);
    }
    print(&svids.iter().map(|one| format!("{}\n", one.svid)).collect::<String>())
}

async fn client(at: &SocketArgs) -> Result<(SpiffeWorkloadApiClient<Channel>, PathBuf), Failure> {
    let socket = match &at.socket {
        Some(text) => path_of(text)?,
        None => place(&at.place)?.workload_socket(),
    };
    let client = workload_api::connect(&socket).await.map_err(|error| {
        Failure::new(format!("no Workload API at `{}`: {}; is the fleet running?", socket.display(), chain(&error)))
    })?;
    Ok((client, socket))
}

/// A path, or `unix:` before one with or without slashes (SPIFFE Workload Endpoint, section 4).
fn path_of(text: &str) -> Result<PathBuf, Failure> {
    let path = text.strip_prefix("unix://").or_else(|| text.strip_prefix("unix:")).unwrap_or(text);
    if path.is_empty() || path.contains("://") {
        return Err(Failure::Usage(format!("`{text}` is not a Unix socket; write its path, or `unix:` and its path")));
    }
    Ok(PathBuf::from(path))
}

fn with_header<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(SECURITY_HEADER, "true".parse().expect("a word of letters is metadata"));
    request
}

fn refused(socket: &Path, status: &Status) -> Failure {
    let what = match status.code() {
        Code::PermissionDenied => "no entry under `workloads` of the fleet file speaks for this program".to_owned(),
        _ => status.message().to_owned(),
    };
    Failure::new(format!("the node at `{}` said no: {what}", socket.display()))
}

fn read(svid: X509svid) -> Result<Shown, Failure> {
    let X509svid { spiffe_id, x509_svid, x509_svid_key, bundle, .. } = svid;
    let broken = |error: &dyn std::error::Error| Failure::new(format!("the node sent no identity: {}", chain(error)));
    let chain = cert::split(&x509_svid).map_err(|error| broken(&error))?;
    let roots = cert::split(&bundle).map_err(|error| broken(&error))?;
    let leaf = cert::read(chain[0]).map_err(|error| broken(&error))?;
    let pair = KeyPair::from_pkcs8(&Secret::new(x509_svid_key)).map_err(|error| broken(&error))?;
    let pem = |ders: &[&[u8]]| ders.iter().map(|der| cert::pem(der)).collect::<String>();
    let (certificates, bundle, not_after) = (pem(&chain), pem(&roots), leaf.not_after());
    Ok(Shown { spiffe_id, not_after, certificates, bundle, key: key::pem(&pair) })
}

/// The key first: a certificate without its key is of no use, and whoever watches the folder waits for the certificate.
fn write(dir: &Path, n: usize, one: &Shown) -> Result<(), Failure> {
    for (name, text, mode) in [
        (format!("svid.{n}.key"), one.key.expose(), 0o600),
        (format!("bundle.{n}.pem"), &one.bundle, 0o644),
        (format!("svid.{n}.pem"), &one.certificates, 0o644),
    ] {
        let path = dir.join(name);
        write_atomic(&path, text.as_bytes(), mode)
            .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_socket_in_the_forms_that_are_in_use() {
        for text in ["/run/w.sock", "unix:/run/w.sock", "unix:///run/w.sock"] {
            assert_eq!(path_of(text).unwrap(), Path::new("/run/w.sock"), "{text}");
        }
        for text in ["", "unix:", "tcp://127.0.0.1:1", "unix://"] {
            assert!(path_of(text).is_err(), "{text}");
        }
    }
}
