//! A Redis or Valkey server for one test.
//!
//! `UNSHARP_TEST_REDIS_SERVER` and `UNSHARP_TEST_VALKEY_SERVER` name the programs. A test asks for every one that is
//! named; where none is, it says so and tests nothing.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

/// Dies with the test.
pub struct Server {
    program: String,
    port: u16,
    arguments: Vec<String>,
    process: Option<Child>,
}

/// The programs that are there to be tested with.
#[must_use]
pub fn programs() -> Vec<String> {
    let named = ["UNSHARP_TEST_REDIS_SERVER", "UNSHARP_TEST_VALKEY_SERVER"];
    let programs: Vec<_> = named.iter().filter_map(|name| std::env::var(name).ok()).collect();
    if programs.is_empty() {
        eprintln!("skipped: neither {} nor {} names a server", named[0], named[1]);
    }
    programs
}

impl Server {
    /// Starts one on a free port, with further arguments.
    ///
    /// # Panics
    /// When it can't be started.
    pub async fn start(program: &str, arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let arguments = arguments.clone();
            let mut server = Self { program: program.to_owned(), port, arguments, process: None };
            // Between here and there another program may have taken the port.
            if server.is_up_again().await {
                return server;
            }
        }
        panic!("{program} does not start");
    }

    /// Kills it without a chance to say good-bye.
    ///
    /// # Panics
    /// When it can't be killed.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it was ours to kill");
            process.wait().expect("it is dead");
        }
    }

    /// Starts it on the same port, empty.
    ///
    /// # Panics
    /// When it can't be started.
    pub async fn restart(&mut self) {
        assert!(self.is_up_again().await, "{} does not start again", self.program);
    }

    async fn is_up_again(&mut self) -> bool {
        self.kill();
        let mut command = Command::new(&self.program);
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string()]);
        command.args(["--save", "", "--appendonly", "no"]).args(&self.arguments);
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the program runs");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        self.process = Some(process);
        // It says so, or it ends.
        let is_ready = tokio::task::spawn_blocking(move || {
            let is_ready = lines.any(|line| line.contains("Ready to accept connections"));
            // Somebody has to read what it goes on to say.
            std::thread::spawn(move || lines.for_each(drop));
            is_ready
        });
        is_ready.await.expect("no panic")
    }

    /// Its address, with this path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("redis://127.0.0.1:{}{path}", self.port)
    }

    /// Sends it a signal, by the name that `kill` knows it by.
    ///
    /// # Panics
    /// When there is nothing to send it to.
    pub fn signal(&self, name: &str) {
        let id = self.process.as_ref().expect("running").id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Asks it something.
    ///
    /// # Panics
    /// When it does not answer as expected.
    pub async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let client = redis::Client::open(self.url("/")).expect("its address");
        let mut connection = client.get_multiplexed_async_connection().await.expect("it answers");
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query_async(&mut connection).await.expect("an answer")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
