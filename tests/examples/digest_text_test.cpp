// SPDX-License-Identifier: MIT
// The example program digest: UTF-8, escaping, languages, headings, words and signatures.
#include "digest/text.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "digest/language.hpp"
#include "digest/markdown.hpp"
#include "digest/terms.hpp"
#include "support/catch.hpp"

using namespace digest;
using namespace std::string_literals;

namespace {

std::vector<std::string> terms_of(std::string_view text) {
  std::vector<std::string> out;
  for (const TermCount& term : scan_words(text).terms) out.push_back(term.term);
  return out;
}

std::string headings_of(std::string_view text) {
  std::string out;
  for (const Heading& h : find_headings(text)) {
    out += std::to_string(h.level) + ":" + h.text + "@" + std::to_string(h.line) + " ";
  }
  return out;
}

std::string_view language_of(std::string_view path, std::string_view content = {}) {
  return detect_language(path, content).name;
}

// A text of `count` different words, of which each `every`-th is another one than without `every`.
std::string essay(int count, int every = 0, const std::string& prefix = "word") {
  std::string out;
  for (int i = 0; i < count; ++i) {
    const bool changed = every != 0 && i % every == 0;
    out += (changed ? "other" : prefix) + std::to_string(i * 7919) + (i % 10 == 9 ? "\n" : " ");
  }
  return out;
}

}  // namespace

TEST_CASE("digest text: every character survives encoding and decoding", "[digest]") {
  for (char32_t code = 0; code <= 0x10FFFF; ++code) {
    if (code == 0xD800) code = 0xE000;
    std::string text;
    append_utf8(text, code);
    const Decoded next = decode_utf8(text, 0);
    if (next.valid && next.code == code && next.size == text.size()) continue;
    FAIL("U+" << std::hex << static_cast<std::uint32_t>(code));
  }
  SUCCEED();
}

TEST_CASE("digest text: what is not UTF-8 is one invalid byte", "[digest]") {
  const std::string bad =
      GENERATE("\x80"s, "\xC0\x80"s, "\xC1\xBF"s, "\xC3"s, "\xE0\x80\x80"s, "\xE2\x82"s, "\xE2(\xA1"s, "\xED\xA0\x80"s,
               "\xF0\x80\x80\x80"s, "\xF4\x90\x80\x80"s, "\xF5\x80\x80\x80"s, "\xFF"s, "\xF0\x9F\x98"s);
  const Decoded next = decode_utf8(bad, 0);
  CHECK_FALSE(next.valid);
  CHECK(next.size == 1);
  CHECK(count_oddities("plain text " + bad).invalid >= 1);
  CHECK(nlohmann::json::accept(json_string(bad)));
}

TEST_CASE("digest text: control characters are odd wherever they are", "[digest]") {
  for (std::size_t at = 0; at < 20; ++at) {
    std::string text = "\tplain text\r\n\b\x1b\f end";
    CHECK(count_oddities(text).control == 0);
    CHECK(count_oddities(text.insert(at, "\x01")).control == 1);
  }
}

TEST_CASE("digest text: nothing reaches a terminal that could act there", "[digest]") {
  CHECK(escape_terminal("docs/a b.md") == "docs/a b.md");
  CHECK(escape_terminal("a\nb\tc\rd\\e") == "a\\nb\\tc\\rd\\\\e");
  CHECK(escape_terminal("\x1b[31mred\x07\x7f"s + '\0') == "\\x1b[31mred\\x07\\x7f\\x00");
  CHECK(escape_terminal("gr\u00fc\u00df \u65e5\u672c \U0001F600") == "gr\u00fc\u00df \u65e5\u672c \U0001F600");
  CHECK(escape_terminal("\xFF\xC3") == "\\xff\\xc3");
  CHECK(escape_terminal("\u202e\u2066\u200b\u009b\ufeff") == "\\u{202e}\\u{2066}\\u{200b}\\u{9b}\\u{feff}");
}

TEST_CASE("digest text: cutting keeps to the columns", "[digest]") {
  CHECK(fit("short", 10) == "short");
  CHECK(fit("src/deep/folder/file.cpp", 12) == "src/deep/...");
  CHECK(fit("src/deep/folder/file.cpp", 12, Keep::tail) == ".../file.cpp");
  CHECK(display_width("\u65e5\u672c") == 4);
  CHECK(display_width("e\u0301") == 1);
  CHECK(fit("\u65e5\u672c\u8a9e", 5) == "\u65e5...");
  for (const std::string text :
       {"", "abc", "\u65e5\u672c\u8a9e\u65e5\u672c\u8a9e", "e\u0301e\u0301e\u0301e\u0301e\u0301"}) {
    for (std::size_t columns = 0; columns < 16; ++columns) {
      CHECK(display_width(fit(text, columns)) <= columns);
      CHECK(display_width(fit(text, columns, Keep::tail)) <= columns);
      CHECK(display_width(fit_exactly(text, columns)) == columns);
    }
  }
}

TEST_CASE("digest text: JSON strings and numbers", "[digest]") {
  std::string all;
  for (char32_t code = 0; code < 0x3000; ++code) append_utf8(all, code);
  append_utf8(all, 0x1F600);
  CHECK(nlohmann::json::parse(json_string(all)).get<std::string>() == all);
  CHECK(nlohmann::json::parse(json_string("a\xFF")).get<std::string>() == "a\uFFFD");
  CHECK(with_commas(0) == "0");
  CHECK(with_commas(999) == "999");
  CHECK(with_commas(1234567) == "1,234,567");
  CHECK(counted(1, "file") == "1 file");
  CHECK(counted(2000, "file") == "2,000 files");
  CHECK(human_bytes(1023) == "1023 B");
  CHECK(human_bytes(1024) == "1.0 KiB");
  CHECK(human_bytes(1024 * 1024 - 1) == "1.0 MiB");
  CHECK(human_bytes(UINT64_MAX).size() < 16);
  CHECK(valid_utf8("\u00e4\xFFxyz", 3) == "\u00e4\uFFFDx");
}

TEST_CASE("digest language: by name, extension, interpreter and content", "[digest]") {
  CHECK(language_of("a/b.cpp") == "C++");
  CHECK(language_of("B.CPP") == "C++");
  CHECK(language_of("x/CMakeLists.txt") == "CMake");
  CHECK(language_of("notes.txt") == "Text");
  CHECK(language_of("Makefile") == "Make");
  CHECK(language_of("README") == "Text");
  CHECK(language_of("README.md") == "Markdown");
  CHECK(language_of("config.h.in") == "C");
  CHECK(language_of("a.h", "int f(void);\n") == "C");
  CHECK(language_of("a.h", "#pragma once\n  namespace a {\n}") == "C++");
  CHECK(language_of("run", "#!/bin/sh\n") == "Shell");
  CHECK(language_of("run", "#!/usr/bin/env -S A=1 python3.11 -u") == "Python");
  CHECK(language_of("run", "#!/usr/bin/env\n") == "Other");
  CHECK(language_of("run", "#!") == "Other");
  CHECK(language_of("run", "#!/opt/" + std::string(300, 'x')) == "Other");
  CHECK(language_of("!bash") == "Other");
  CHECK(language_of(".unheard") == "Other");
  CHECK(language_of("") == "Other");
  CHECK(language_of("folder.cpp/") == "Other");
}

TEST_CASE("digest markdown: headings", "[digest]") {
  CHECK(headings_of("# One\n## Two ##\n#no\n####### seven\n   ### Three") == "1:One@1 2:Two@2 3:Three@5 ");
  CHECK(headings_of("Title\r\n=====\r\n\r\nPart\r\n----\r\n") == "1:Title@1 2:Part@4 ");
  CHECK(headings_of("- item\n---\n> quote\n---\n| a |\n---\n1. one\n---\n\n---\n***\n---\n").empty());
  CHECK(headings_of("```sh\n# no\n~~~\n# no\n```\n# yes\n").starts_with("1:yes"));
  CHECK(headings_of("~~~~\n~~~\n# no\n~~~~\n# yes\n") == "1:yes@5 ");
  CHECK(headings_of("`` `x` ``\n# yes\n") == "1:yes@2 ");
  CHECK(headings_of("---\ntitle: x\n# no\n---\n# yes\n") == "1:yes@5 ");
  CHECK(headings_of("<!-- a\n# no\n-->\n# yes\n    # code\n\t# code\n") == "1:yes@4 ");
  CHECK(headings_of("# C#\n#\n# a \\# #\n") == "1:C#@1 1:@2 1:a \\#@3 ");
  CHECK(headings_of("").empty());
  std::string many;
  for (int i = 0; i < 500; ++i) many += "# heading\n";
  CHECK(find_headings(many).size() == max_headings);
  const std::vector<Heading> odd = find_headings("# \xFF" + std::string(1000, 'x'));
  REQUIRE(odd.size() == 1);
  CHECK(odd[0].text == "\uFFFD" + std::string(max_heading_length - 1, 'x'));
}

TEST_CASE("digest words: which are terms", "[digest]") {
  CHECK(terms_of("The Graph graph GRAPH and nodes") == std::vector<std::string>{"graph", "nodes"});
  CHECK(terms_of("ab abc return nullptr 3dmodel x1y member_ __init__ ____") ==
        std::vector<std::string>{"abc", "init", "member", "x1y"});
  CHECK(
      terms_of(
          "\u0413\u0420\u0410\u0424\u2014\u0433\u0440\u0430\u0444 \u00c4rger\u00a0\u00e4rger \xFF\u201cquote\u201d") ==
      std::vector<std::string>{"\u00e4rger", "\u0433\u0440\u0430\u0444", "quote"});
  CHECK(terms_of(std::string(40, 'x') + " " + std::string(41, 'y') + " " + std::string(5000, 'z')).size() == 1);
  CHECK(terms_of("12 34 == !! \U0001F600 -- a").empty());
  CHECK(is_stop_word("the"));
  CHECK_FALSE(is_stop_word("graph"));

  const WordScan scan = scan_words("one tree two trees three tree and don't 42");
  CHECK(scan.words == 10);
  CHECK(scan.term_total == 3);
  CHECK(scan.terms == std::vector<TermCount>{{"tree", 2}, {"trees", 1}});
  CHECK(scan_words("").words == 0);
}

TEST_CASE("digest words: only the most frequent are kept, whatever the order", "[digest]") {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "rare" + std::to_string(i) + " ";
  const std::string common = "common common common ";
  const WordScan a = scan_words(text + common);
  const WordScan b = scan_words(common + text);
  CHECK(a.terms.size() == max_terms_per_file);
  CHECK(a.terms.front() == TermCount{"common", 3});
  CHECK(a.terms == b.terms);
  CHECK(a.term_total == 1003);
}

TEST_CASE("digest words: signatures estimate how much texts share", "[digest]") {
  const WordScan whole = scan_words(essay(2000));
  CHECK(whole.shingles == 1996);
  CHECK(similarity(whole.signature, scan_words(essay(2000)).signature) == 1.0);
  CHECK(similarity(whole.signature, scan_words(essay(2000, 0, "stranger")).signature) < 0.1);
  // Each change spoils five shingles: of 1,996 on either side, 1,896 are the same. Jaccard 1896/2096 = 0.90.
  CHECK(similarity(whole.signature, scan_words(essay(2000, 100)).signature) == Approx(0.90).margin(0.12));
  // The first half is the same: 996 of 2996 = 0.33.
  const std::string half = essay(1000) + essay(1000, 0, "stranger");
  CHECK(similarity(whole.signature, scan_words(half).signature) == Approx(0.33).margin(0.18));
  // Layout, case and line ends do not matter.
  CHECK(scan_words("Alpha, beta;\r\nGAMMA delta\tepsilon zeta").signature ==
        scan_words("alpha beta gamma (delta) epsilon\nzeta\n").signature);
  CHECK(scan_words("one two three four").shingles == 0);
  CHECK(scan_words("one two three four").signature == Signature{});
  CHECK(scan_words("one two three four five").shingles == 1);
}

TEST_CASE("digest words: a signature is the same on every machine and compiler", "[digest]") {
  const Signature s = scan_words("the quick brown fox jumps over the lazy dog").signature;
  std::uint64_t sum = 0;
  for (const std::uint32_t value : s) sum = sum * 31 + value;
  CHECK(s[0] == 2148033192U);
  CHECK(sum == 9057390809870919018U);
}
