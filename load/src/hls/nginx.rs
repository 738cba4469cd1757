//! nginx with one worker, set up to serve files as well as it can.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::on_server_core;

/// Ended, and its files removed, with the value.
pub(super) struct Nginx {
    child: Child,
    directory: PathBuf,
    pub(super) http: SocketAddr,
}

impl Nginx {
    /// Serves `files` below `/hls/bench/`.
    pub(super) fn start(files: &[(&str, &[u8])]) -> anyhow::Result<Self> {
        let directory = std::env::temp_dir().join(format!("crescendo-nginx-{}", std::process::id()));
        let served = directory.join("hls/bench");
        std::fs::create_dir_all(&served)?;
        for (name, data) in files {
            std::fs::write(served.join(name), data)?;
        }
        // nginx cannot bind port 0: one that is free a moment before is as near as it gets.
        let http = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let at = directory.display();
        let config = format!(
            "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log; user root;
             events {{ worker_connections 4096; multi_accept on; }}
             http {{
               access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; server_tokens off;
               keepalive_requests 1000000000; open_file_cache max=100; open_file_cache_valid 60s;
               types {{ application/vnd.apple.mpegurl m3u8; video/mp4 m4s; }}
               client_body_temp_path {at}/a; proxy_temp_path {at}/b; fastcgi_temp_path {at}/c;
               uwsgi_temp_path {at}/d; scgi_temp_path {at}/e;
               server {{ listen {http}; root {at}; add_header cache-control 'public, max-age=1'; }}
             }}"
        );
        let file = directory.join("nginx.conf");
        std::fs::write(&file, config)?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let child = on_server_core(|| command.spawn()).context("nginx (apt-get install nginx-light)")?;
        let nginx = Self { child, directory, http };
        let began = Instant::now();
        while TcpStream::connect(http).is_err() {
            anyhow::ensure!(began.elapsed() < Duration::from_secs(5), "nginx does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(nginx)
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
