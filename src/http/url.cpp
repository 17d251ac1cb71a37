// SPDX-License-Identifier: MIT
// Checking URLs, with libcurl's own parser, so that what is checked is what is asked for.
#include "http/url.hpp"

#include <curl/curl.h>

#include <cstdlib>
#include <memory>
#include <string_view>

#include <agentflow/http/http_error.hpp>

namespace agentflow::http {
namespace {

using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

std::string part(const Url& url, CURLUPart what) {
  char* text = nullptr;
  if (curl_url_get(url.get(), what, &text, 0) != CURLUE_OK) return {};
  std::string out(text);
  curl_free(text);
  return out;
}

bool is_loopback(std::string_view host) {
  // The parser has brought numbers such as 0x7f.1 into their usual form.
  if (host == "localhost" || host.ends_with(".localhost") || host == "[::1]") return true;
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos;
}

[[noreturn]] void refuse(errc code, std::string message) { throw http_error(code, std::move(message)); }

}  // namespace

CheckedUrl::CheckedUrl(const std::string& url, bool allow_plain_http) {
  const Url parsed(curl_url(), &curl_url_cleanup);
  if (!parsed) throw std::bad_alloc();
  // The URL itself is left out of messages: whatever is wrong with it, it may hold a password.
  if (const auto rc = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0); rc != CURLUE_OK)
    refuse(errc::http_bad_request, std::string("not a URL: ") + curl_url_strerror(rc));
  if (url.find('\0') != url.npos) refuse(errc::http_bad_request, "not a URL: it has a NUL");
  host = part(parsed, CURLUPART_HOST);
  const std::string scheme = part(parsed, CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https")
    refuse(errc::http_bad_request, "the URL's scheme is " + scheme + "; there are http and https");
  if (!part(parsed, CURLUPART_USER).empty() || !part(parsed, CURLUPART_PASSWORD).empty())
    refuse(errc::http_bad_request, "the URL of " + host + " has a user name or password; use Request::secret_header");
  loopback = is_loopback(host);
  if (scheme == "http" && !loopback && !allow_plain_http)
    refuse(errc::http_plain, "http:// to " + host +
                                 " would send everything in the clear; use https://, or "
                                 "ClientOptions::allow_plain_http for a network that is trusted");
  text = part(parsed, CURLUPART_URL);
}

}  // namespace agentflow::http
