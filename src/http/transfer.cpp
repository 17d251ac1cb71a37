// SPDX-License-Identifier: MIT
// One exchange: its options, and the callbacks of libcurl.
#include "http/transfer.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include <agentflow/version.hpp>

namespace agentflow::http {
namespace {

constexpr std::chrono::milliseconds for_ever = std::chrono::hours(24 * 365);  // longer limits might not fit into a time
constexpr std::size_t max_header_bytes = std::size_t{64} << 10, max_headers = 200;

std::string variable(const char* name, const char* other = "") {
  for (const char* key : {name, other})
    if (const char* value = *key != '\0' ? std::getenv(key) : nullptr; value != nullptr && *value != '\0') return value;
  return {};
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c > 32 && c < 127 && std::strchr("()<>@,;:\\\"/[]?={}", c) == nullptr;
  });
}

void check_header(std::string_view name, std::string_view value) {
  if (!is_token(name)) throw http_error(errc::http_bad_request, "a header's name has a character that none may have");
  for (const unsigned char c : value)
    if (c < 32 && c != '\t')
      throw http_error(errc::http_bad_request, fmt::format("the value of the header {} has a control character", name));
}

}  // namespace

Environment::Environment()
    : https_proxy(variable("https_proxy", "HTTPS_PROXY")),
      http_proxy(variable("http_proxy")),  // HTTP_PROXY can be set by the clients of a CGI program
      no_proxy(variable("no_proxy", "NO_PROXY")),
      ca_file(variable("SSL_CERT_FILE")) {
  const std::string all = variable("all_proxy", "ALL_PROXY");
  if (https_proxy.empty()) https_proxy = all;
  if (http_proxy.empty()) http_proxy = all;
}

Transfer::Transfer(Request request, const ClientOptions& options) : options_(options), request_(std::move(request)) {
  try {
    idle_limit = std::min(request_.idle_timeout.value_or(options_.idle_timeout()), for_ever);
    url_.emplace(request_.url, options_.allow_plain_http());
    if (!is_token(request_.method)) throw http_error(errc::http_bad_request, "the method is not a word");
    for (const auto& [name, value] : request_.headers) check_header(name, value);
    for (const auto& s : request_.secrets) check_header(s.name, s.prefix), check_header(s.name, s.value.reveal());
  } catch (const http_error& e) {
    error_.emplace(e);
    done_ = true;
  }
}

void Transfer::release() noexcept { curl_easy_cleanup(std::exchange(easy_, nullptr)); }

Transfer::~Transfer() {
  release();
  // The list has the keys in it.
  for (curl_slist* h = headers_; h != nullptr; h = h->next)
    for (volatile char* p = h->data; *p != 0; ++p) *p = ' ';
  curl_slist_free_all(headers_);
}

std::optional<Head> Transfer::take_head() {
  std::lock_guard lock(mutex_);
  if (!head_ && error_) throw http_error(*error_);
  return head_;
}

Transfer::Piece Transfer::take() {
  Piece out;
  std::lock_guard lock(mutex_);
  out.bytes = std::exchange(buffer_, std::string());
  out.resume = std::exchange(paused_, false);
  if (out.bytes.empty() && done_) {
    if (error_) throw http_error(*error_);
    out.end = true;
  }
  return out;
}

bool Transfer::failed() const noexcept { return error_.has_value() && easy_ == nullptr; }

bool Transfer::paused() {
  std::lock_guard lock(mutex_);
  return paused_;
}

void Transfer::discard() {
  std::lock_guard lock(mutex_);
  discard_ = true;
  paused_ = false;
  buffer_.clear();
}

void Transfer::add_header(std::string line) {
  curl_slist* longer = curl_slist_append(headers_, line.c_str());
  for (volatile char& c : line) c = ' ';
  if (longer == nullptr) throw std::bad_alloc();
  headers_ = longer;
}

void Transfer::set_headers() {
  add_header("Expect:");  // no waiting for a "100 Continue" that few servers send
  for (const auto& [name, value] : request_.headers) add_header(value.empty() ? name + ";" : name + ": " + value);
  for (const auto& s : request_.secrets) add_header(s.name + ": " + s.prefix + std::string(s.value.reveal()));
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers_);
}

void Transfer::set_security(const Environment& environment) {
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy_, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  const std::string& ca = options_.ca_file().empty() ? environment.ca_file : options_.ca_file();
  if (!ca.empty()) {
    curl_easy_setopt(easy_, CURLOPT_CAINFO, ca.c_str());
    curl_easy_setopt(easy_, CURLOPT_CAPATH, nullptr);
  }
  std::string proxy = url_->text.starts_with("https:") ? environment.https_proxy : environment.http_proxy;
  proxy = url_->loopback ? std::string() : options_.proxy().value_or(proxy);
  curl_easy_setopt(easy_, CURLOPT_PROXY, proxy.c_str());  // an empty text is no proxy, whatever the environment says
  curl_easy_setopt(easy_, CURLOPT_NOPROXY, options_.proxy() ? "" : environment.no_proxy.c_str());
  curl_easy_setopt(easy_, CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
  curl_easy_setopt(easy_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

void Transfer::prepare(const Environment& environment) {
  easy_ = curl_easy_init();
  if (easy_ == nullptr) throw std::bad_alloc();
  curl_easy_setopt(easy_, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, message_.data());
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
  // Else giving up while the name is looked up would wait for the resolver, and every other exchange with it.
  curl_easy_setopt(easy_, CURLOPT_QUICK_EXIT, 1L);
#endif
  curl_easy_setopt(easy_, CURLOPT_URL, url_->text.c_str());
  curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  curl_easy_setopt(easy_, CURLOPT_PIPEWAIT, 1L);
  curl_easy_setopt(easy_, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(easy_, CURLOPT_TCP_KEEPALIVE, 1L);
  const std::string agent =
      options_.user_agent().empty() ? "agentflow/" AGENTFLOW_VERSION_STRING : options_.user_agent();
  curl_easy_setopt(easy_, CURLOPT_USERAGENT, agent.c_str());
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout().count()));
  if (request_.timeout)
    curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS, std::max(1L, static_cast<long>(request_.timeout->count())));
  set_security(environment);
  set_headers();
  if (request_.method == "HEAD") curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
  if (!request_.body.empty() || request_.method == "POST") {
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, request_.body.c_str());
  }
  curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, request_.method.c_str());

  curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  curl_easy_setopt(easy_, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy_, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy_, CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
  curl_easy_setopt(easy_, CURLOPT_XFERINFODATA, this);
  curl_easy_setopt(easy_, CURLOPT_OPENSOCKETFUNCTION, &Transfer::open_socket);
  last_activity = std::chrono::steady_clock::now();
}

curl_socket_t Transfer::open_socket(void*, curlsocktype, curl_sockaddr* a) {
  return ::socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

int Transfer::on_progress(void* self, curl_off_t, curl_off_t down, curl_off_t, curl_off_t up) {
  auto& t = *static_cast<Transfer*>(self);
  if (std::exchange(t.moved_, down + up) != down + up) t.last_activity = std::chrono::steady_clock::now();
  return 0;
}

std::size_t Transfer::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  auto& t = *static_cast<Transfer*>(self);
  try {
    return t.header_line(std::string_view(data, size * count)) ? size * count : 0;
  } catch (...) {
    return 0;
  }
}

bool Transfer::header_line(std::string_view line) {
  last_activity = std::chrono::steady_clock::now();
  header_bytes_ += line.size();
  if (header_bytes_ > max_header_bytes || incoming_.headers.size() > max_headers) {
    fail(errc::http_limit,
         fmt::format("the response has more than {} KiB or {} lines of headers", max_header_bytes >> 10, max_headers));
    return false;
  }
  while (line.ends_with('\r') || line.ends_with('\n')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {
    incoming_ = Head();
    return true;
  }
  if (line.empty()) {
    long status = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200) return true;  // there is another head to come
    incoming_.status = static_cast<int>(status);
    {
      std::lock_guard lock(mutex_);
      if (!discard_) head_ = incoming_;
    }
    spot.unpark();
    return true;
  }
  const std::size_t colon = line.find(':');
  if (colon == line.npos) return true;
  std::string name(line.substr(0, colon));
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  std::string_view value = line.substr(colon + 1);
  while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
  while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
  incoming_.headers.emplace_back(std::move(name), std::string(value));
  return true;
}

std::size_t Transfer::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto& t = *static_cast<Transfer*>(self);
  try {
    return t.body(std::string_view(data, size * count));
  } catch (...) {
    return 0;
  }
}

std::size_t Transfer::body(std::string_view bytes) {
  last_activity = std::chrono::steady_clock::now();
  {
    std::lock_guard lock(mutex_);
    if (discard_) return bytes.size();
    if (buffer_.size() > options_.buffer_bytes()) {
      paused_ = true;  // libcurl gives the same bytes again when it goes on
      return CURL_WRITEFUNC_PAUSE;
    }
    body_bytes_ += bytes.size();
    if (body_bytes_ <= options_.max_body_bytes()) buffer_ += bytes;
  }
  if (body_bytes_ > options_.max_body_bytes()) {
    fail(errc::http_limit,
         fmt::format("the response is longer than ClientOptions::max_body_bytes ({})", options_.max_body_bytes()));
    return 0;
  }
  spot.unpark();
  return bytes.size();
}

std::string Transfer::reason(CURLcode code) const {
  std::string text = message_[0] != '\0' ? std::string(message_.data()) : std::string(curl_easy_strerror(code));
  for (const auto& s : request_.secrets) text = redact(std::move(text), s.value);
  return text;
}

void Transfer::finish(CURLcode code) {
  if (code == CURLE_OK) {
    if (incoming_.status == 0) return fail(errc::http_transport, "the connection ended within the headers");
    {
      std::lock_guard lock(mutex_);
      done_ = true;
    }
    spot.unpark();
    return;
  }
  errc kind = errc::http_transport;
  switch (code) {
    case CURLE_URL_MALFORMAT: kind = errc::http_bad_request; break;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY: kind = errc::http_connect; break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CIPHER: kind = errc::http_tls; break;
    case CURLE_OPERATION_TIMEDOUT: kind = errc::http_timeout; break;
    case CURLE_FILESIZE_EXCEEDED: kind = errc::http_limit; break;
    default: break;
  }
  fail(kind, fmt::format("{} {}: {}", request_.method, url_->host, reason(code)));
}

void Transfer::fail(errc code, std::string message) {
  {
    std::lock_guard lock(mutex_);
    done_ = true;
    if (!error_) error_.emplace(code, std::move(message));
  }
  spot.unpark();
}

}  // namespace agentflow::http
