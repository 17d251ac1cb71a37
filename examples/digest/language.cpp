// SPDX-License-Identifier: MIT
// Guesses the language of a file and knows how its comments look.
#include "language.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace digest {
namespace {

// Sorted by name, except that "Other" comes last. Of two languages that claim a name, the first gets it.
constexpr std::array languages{
    Language{"Ada", "--", "", "", ".adb .ads"},
    Language{"AsciiDoc", "//", "////", "////", ".adoc .asciidoc"},
    Language{"Assembly", "#", "/*", "*/", ".s .asm"},
    Language{"Batch", "rem ", "", "", ".bat .cmd"},
    Language{"C", "//", "/*", "*/", ".c .h"},
    Language{"C#", "//", "/*", "*/", ".cs .csx"},
    Language{"C++", "//", "/*", "*/", ".cpp .cc .cxx .c++ .hpp .hh .hxx .h++ .ipp .tpp .inl .cppm .ixx"},
    Language{"CMake", "#", "#[[", "]]", ".cmake CMakeLists.txt"},
    Language{"CSS", "", "/*", "*/", ".css .scss .sass .less"},
    Language{"CSV", "", "", "", ".csv .tsv"},
    Language{"CUDA", "//", "/*", "*/", ".cu .cuh"},
    Language{"Clojure", ";", "", "", ".clj .cljs .cljc .edn"},
    Language{"D", "//", "/*", "*/", ".d .di"},
    Language{"Dart", "//", "/*", "*/", ".dart"},
    Language{"Diff", "", "", "", ".diff .patch"},
    Language{"Dockerfile", "#", "", "", ".dockerfile Dockerfile Containerfile"},
    Language{"Elixir", "#", "", "", ".ex .exs !elixir"},
    Language{"Erlang", "%", "", "", ".erl .hrl !escript"},
    Language{"F#", "//", "(*", "*)", ".fs .fsi .fsx"},
    Language{"Fortran", "!", "", "", ".f90 .f95 .f03 .f08"},
    Language{"Go", "//", "/*", "*/", ".go"},
    Language{"GraphQL", "#", "", "", ".graphql .gql"},
    Language{"Graphviz", "//", "/*", "*/", ".dot .gv"},
    Language{"Groovy", "//", "/*", "*/", ".groovy .gradle Jenkinsfile !groovy"},
    Language{"HTML", "", "<!--", "-->", ".html .htm .xhtml"},
    Language{"Haskell", "--", "{-", "-}", ".hs .lhs !runhaskell"},
    Language{"INI", "#", "", "", ".ini .cfg .conf .properties .editorconfig .gitconfig .desktop"},
    Language{"JSON", "", "", "", ".json .jsonl .ndjson .geojson .ipynb"},
    Language{"Java", "//", "/*", "*/", ".java"},
    Language{"JavaScript", "//", "/*", "*/", ".js .mjs .cjs .jsx !node !nodejs"},
    Language{"Julia", "#", "#=", "=#", ".jl !julia"},
    Language{"Kotlin", "//", "/*", "*/", ".kt .kts"},
    Language{"Lisp", ";", "#|", "|#", ".lisp .lsp .cl .el .scm .ss .rkt"},
    Language{"Lua", "--", "--[[", "]]", ".lua !lua !luajit"},
    Language{"Make", "#", "", "", ".mk .mak Makefile GNUmakefile !make"},
    Language{"Markdown", "", "<!--", "-->", ".md .markdown .mdown .mkd .mdx"},
    Language{"Nix", "#", "/*", "*/", ".nix"},
    Language{"OCaml", "", "(*", "*)", ".ml .mli !ocaml"},
    Language{"Objective-C", "//", "/*", "*/", ".m .mm"},
    Language{"PHP", "//", "/*", "*/", ".php !php"},
    Language{"Pascal", "//", "{", "}", ".pas .pp .dpr"},
    Language{"Perl", "#", "=pod", "=cut", ".pl .pm .t !perl"},
    Language{"PowerShell", "#", "<#", "#>", ".ps1 .psm1 .psd1 !pwsh"},
    Language{"Protobuf", "//", "/*", "*/", ".proto"},
    Language{"Python", "#", "", "", ".py .pyi .pyw SConstruct !python"},
    Language{"R", "#", "", "", ".r .rmd !rscript"},
    Language{"Ruby", "#", "=begin", "=end", ".rb .rake .gemspec Rakefile Gemfile !ruby"},
    Language{"Rust", "//", "/*", "*/", ".rs"},
    Language{"SQL", "--", "/*", "*/", ".sql .ddl .psql"},
    Language{"Scala", "//", "/*", "*/", ".scala .sc .sbt !scala"},
    Language{"Shell", "#", "", "", ".sh .bash .zsh .ksh .fish .bashrc .profile !sh !bash !dash !zsh !ksh !fish"},
    Language{"Swift", "//", "/*", "*/", ".swift"},
    Language{"TOML", "#", "", "", ".toml Pipfile Cargo.lock"},
    Language{"TeX", "%", "", "", ".tex .sty .cls .bib"},
    Language{"Terraform", "#", "/*", "*/", ".tf .tfvars .hcl"},
    Language{"Text", "", "", "",
             ".txt .text .log README LICENSE COPYING AUTHORS CHANGELOG NEWS TODO INSTALL CODEOWNERS"},
    Language{"TypeScript", "//", "/*", "*/", ".ts .mts .cts .tsx !deno"},
    Language{"VHDL", "--", "/*", "*/", ".vhd .vhdl"},
    Language{"Verilog", "//", "/*", "*/", ".v .vh .sv .svh"},
    Language{"Vim script", "\"", "", "", ".vim .vimrc"},
    Language{"Vue", "//", "<!--", "-->", ".vue .svelte"},
    Language{"XML", "", "<!--", "-->", ".xml .xsd .xsl .xslt .svg .plist .csproj .vcxproj .qrc .ui"},
    Language{"YAML", "#", "", "", ".yml .yaml .clang-format .clang-tidy .clangd"},
    Language{"Zig", "//", "", "", ".zig .zon"},
    Language{"reStructuredText", "..", "", "", ".rst .rest"},
    Language{"Other", "", "", "", ""},
};

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool same_folded(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

const Language* find(std::string_view name) noexcept {
  if (name.empty()) return nullptr;
  for (const Language& language : languages) {
    std::string_view rest = language.names;
    while (!rest.empty()) {
      const std::string_view word = rest.substr(0, rest.find(' '));
      if (same_folded(word, name)) return &language;
      rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    }
  }
  return nullptr;
}

const Language& named(std::string_view name) noexcept {
  const auto* it = std::find_if(languages.begin(), languages.end(), [&](const Language& l) { return l.name == name; });
  return it == languages.end() ? languages.back() : *it;
}

// "#!/usr/bin/env -S python3.11 -u" names "!python".
const Language* find_interpreter(std::string_view content) noexcept {
  if (!content.starts_with("#!")) return nullptr;
  std::string_view line = content.substr(2, std::min(content.find('\n'), std::size_t{200}) - 2);
  while (!line.empty()) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
    std::string_view word = line.substr(0, line.find_first_of(" \t\r"));
    line.remove_prefix(word.size());
    word.remove_prefix(word.rfind('/') + 1);  // npos + 1 is 0.
    const std::size_t end = word.find_last_not_of("0123456789.");
    word = word.substr(0, end == std::string_view::npos ? 0 : end + 1);
    // Options and assignments belong to env.
    if (word.empty() || word == "env" || word.front() == '-' || word.find('=') != std::string_view::npos) continue;
    std::array<char, 24> key{'!'};
    if (word.size() >= key.size()) return nullptr;
    std::copy(word.begin(), word.end(), key.begin() + 1);
    return find({key.data(), word.size() + 1});
  }
  return nullptr;
}

bool looks_like_cpp(std::string_view content) noexcept {
  constexpr std::array<std::string_view, 8> signs{"namespace ", "template ", "template<", "class ",
                                                  "public:",    "private:",  "using ",    "constexpr "};
  std::size_t at = 0;
  while (at < content.size()) {
    const std::size_t newline = content.find('\n', at);
    const std::size_t end = newline == std::string_view::npos ? content.size() : newline;
    std::string_view line = content.substr(at, end - at);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (std::any_of(signs.begin(), signs.end(), [&](std::string_view s) { return line.starts_with(s); })) return true;
    at = end + 1;
  }
  return false;
}

}  // namespace

const Language& detect_language(std::string_view path, std::string_view content) noexcept {
  const std::string_view file = path.substr(path.rfind('/') + 1);
  if (const Language* language = find(file); language != nullptr && !file.starts_with('!')) return *language;
  const std::size_t dot = file.rfind('.');
  if (dot != std::string_view::npos) {
    if (same_folded(file.substr(dot), ".in")) return detect_language(file.substr(0, dot), content);  // A template.
    if (const Language* language = find(file.substr(dot)); language != nullptr) {
      return language->name == "C" && lower(file.back()) == 'h' && looks_like_cpp(content) ? named("C++") : *language;
    }
  }
  if (const Language* language = find_interpreter(content); language != nullptr) return *language;
  return languages.back();
}

}  // namespace digest
