// SPDX-License-Identifier: MIT
// Which servers are trusted, told by openssl's own server with certificates made for the occasion.
#include <agentflow/http/client.hpp>

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/chaos_server.hpp"

extern char** environ;

namespace af = agentflow;
namespace http = agentflow::http;
using namespace std::chrono_literals;

namespace {

/// A folder for certificates, which goes with the test.
class Certificates {
 public:
  Certificates() {
    char name[] = "/tmp/agentflow_tls_XXXXXX";
    folder_ = ::mkdtemp(name);
    authority("ca");
    authority("other");
  }
  ~Certificates() { (void)!std::system(("rm -rf " + folder_).c_str()); }

  std::string file(const std::string& name) const { return folder_ + "/" + name; }
  /// A certificate for these names, and its key.
  void issue(const std::string& name, const std::string& authority, const std::string& names, int days) const {
    openssl("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout " + name + ".key -out " + name +
            ".csr -subj /CN=x");
    openssl("x509 -req -in " + name + ".csr -CA " + authority + ".pem -CAkey " + authority +
            ".key -CAcreateserial -days " + std::to_string(days) + " -extfile <(echo subjectAltName=" + names +
            ") -out " + name + ".pem");
  }
  void self_signed(const std::string& name) const {
    openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout " + name + ".key -out " + name +
            ".pem -days 30 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1");
  }

 private:
  void authority(const std::string& name) const {
    openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout " + name + ".key -out " + name +
            ".pem -days 30 -subj /CN=" + name);
  }
  void openssl(const std::string& command) const {
    const std::string shell = "cd " + folder_ + " && bash -c 'openssl " + command + " >/dev/null 2>&1'";
    REQUIRE(std::system(shell.c_str()) == 0);
  }
  std::string folder_;
};

/// openssl's test server, on a port that it chooses.
class TlsServer {
 public:
  TlsServer(const Certificates& files, const std::string& name, const std::string& more = {}) {
    std::vector<std::string> words = {"openssl",
                                      "s_server",
                                      "-accept",
                                      "127.0.0.1:0",
                                      "-www",
                                      "-cert",
                                      files.file(name + ".pem"),
                                      "-key",
                                      files.file(name + ".key")};
    for (std::size_t at = 0; at < more.size();) {
      const auto end = std::min(more.find(' ', at), more.size());
      words.push_back(more.substr(at, end - at));
      at = end + 1;
    }
    std::vector<char*> argv;
    for (auto& w : words) argv.push_back(w.data());
    argv.push_back(nullptr);
    int out[2];
    REQUIRE(::pipe(out) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1, 0);
    posix_spawn_file_actions_addclose(&actions, out[0]);
    REQUIRE(::posix_spawnp(&pid_, "openssl", &actions, nullptr, argv.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(out[1]);
    std::FILE* in = ::fdopen(out[0], "r");
    char line[256];
    while (std::fgets(line, sizeof line, in) != nullptr && std::sscanf(line, "ACCEPT 127.0.0.1:%hu", &port_) != 1) {
    }
    out_ = in;
    REQUIRE(port_ != 0);
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;
  ~TlsServer() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    std::fclose(out_);
  }
  std::string url() const { return "https://127.0.0.1:" + std::to_string(port_) + "/"; }

 private:
  pid_t pid_ = 0;
  unsigned short port_ = 0;
  std::FILE* out_ = nullptr;
};

/// "200", or the code of the error.
std::string outcome(const std::string& ca_file, const std::string& url) {
  try {
    auto options = http::ClientOptions().connect_timeout(20s);
    if (!ca_file.empty()) options.ca_file(ca_file);
    return std::to_string(chaos::run(http::Client(options).fetch(http::Request("GET", url))).head.status);
  } catch (const http::http_error& e) {
    return std::string(code_name(e.code()));
  }
}

}  // namespace

TEST_CASE("Only servers that prove who they are are talked to", "[http][tls]") {
  if (std::system("openssl version >/dev/null 2>&1") != 0) {
    WARN("SKIPPED: there is no openssl command");
    return;
  }
  const Certificates files;
  files.issue("good", "ca", "DNS:localhost,IP:127.0.0.1", 30);
  files.issue("expired", "ca", "DNS:localhost,IP:127.0.0.1", -1);
  files.issue("wrong_host", "ca", "DNS:example.com,IP:127.0.0.2", 30);
  files.self_signed("self_signed");
  const std::string ca = files.file("ca.pem");
  const std::string tls = std::string(code_name(af::errc::http_tls));

  const TlsServer good(files, "good");
  CHECK(outcome(ca, good.url()) == "200");
  CHECK(outcome(files.file("other.pem"), good.url()) == tls);  // an authority we do not trust
  CHECK(outcome("", good.url()) == tls);                       // nor does the system
  CHECK(outcome(files.file("good.key"), good.url()) == tls);   // no certificates in the file: nobody is trusted
  CHECK(outcome(ca, TlsServer(files, "expired").url()) == tls);
  CHECK(outcome(ca, TlsServer(files, "wrong_host").url()) == tls);
  CHECK(outcome(ca, TlsServer(files, "self_signed").url()) == tls);
  CHECK(outcome(ca, TlsServer(files, "good", "-tls1_2").url()) == "200");
  CHECK(outcome(ca, TlsServer(files, "good", "-tls1_1 -cipher DEFAULT@SECLEVEL=0").url()) == tls);
  ::setenv("SSL_CERT_FILE", ca.c_str(), 1);
  CHECK(outcome("", good.url()) == "200");
  ::unsetenv("SSL_CERT_FILE");
}
