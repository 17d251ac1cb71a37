// SPDX-License-Identifier: MIT
// Words that tell nothing about a file: common English, and keywords and everyday names of common languages.
#include <algorithm>
#include <array>
#include <string_view>

#include "terms.hpp"

namespace digest {
namespace {

// Sorted; nothing shorter than `min_term_length`.
// clang-format off
constexpr std::array<std::string_view, 493> stop_words{
    "able", "about", "above", "abstract", "across", "after", "again", "against", "alias", "alignas", "alignof", "all",
    "almost", "along", "already", "also", "although", "always", "among", "and", "another", "any", "anything", "are",
    "arg", "argc", "args", "arguments", "argv", "around", "assert", "auto", "away", "back", "became", "because",
    "become", "been", "before", "began", "begin", "being", "below", "between", "bool", "boolean", "both", "break",
    "but", "byte", "bytes", "call", "came", "can", "cannot", "case", "cast", "catch", "char", "char16_t", "char32_t",
    "char8_t", "class", "cmp", "co_await", "co_return", "co_yield", "com", "come", "const", "const_cast", "constant",
    "consteval", "constexpr", "constinit", "continue", "could", "cout", "cpp", "data", "declare", "decltype", "def",
    "default", "defer", "define", "defined", "del", "delegate", "delete", "derive", "dict", "did", "didn", "does",
    "doesn", "doing", "don", "done", "double", "down", "dst", "during", "dyn", "dynamic_cast", "each", "echo",
    "either", "elif", "else", "elseif", "elsif", "emplace_back", "empty", "end", "endfor", "endforeach",
    "endfunction", "endif", "endl", "endmacro", "endwhile", "enough", "ensure", "enum", "esac", "etc", "eval", "even",
    "ever", "every", "example", "except", "exec", "explicit", "export", "extends", "extern", "fallthrough", "false",
    "few", "file", "final", "finally", "first", "fixed", "flag", "float", "float32", "float64", "fmt", "foo", "for",
    "foreach", "forward", "friend", "from", "func", "function", "functions", "further", "gave", "get", "gets",
    "getting", "give", "given", "gives", "global", "goes", "going", "gone", "got", "goto", "had", "has", "hasn",
    "have", "having", "her", "here", "hers", "herself", "him", "himself", "his", "how", "however", "hpp", "html",
    "http", "https", "ifdef", "ifndef", "impl", "implements", "implicit", "import", "include", "inline", "inout",
    "input", "instanceof", "instead", "int", "int16", "int16_t", "int32", "int32_t", "int64", "int64_t", "int8",
    "int8_t", "integer", "interface", "internal", "into", "iota", "isn", "item", "its", "itself", "just", "keep",
    "kept", "key", "know", "last", "least", "len", "length", "less", "let", "like", "likely", "local", "long", "loop",
    "made", "main", "make", "makes", "making", "many", "match", "may", "maybe", "method", "methods", "might", "mod",
    "module", "more", "most", "move", "much", "must", "mut", "mutable", "myself", "name", "namespace", "native",
    "need", "needed", "needs", "neither", "never", "new", "next", "nil", "nodiscard", "noexcept", "none", "nor",
    "not", "nothing", "now", "null", "nullptr", "num", "obj", "object", "off", "often", "once", "one", "only", "onto",
    "operator", "option", "optional", "org", "ostream", "other", "others", "our", "ours", "out", "output", "over",
    "override", "own", "package", "param", "params", "pass", "per", "perhaps", "pragma", "print", "printf", "private",
    "proc", "procedure", "protected", "ptr", "pub", "public", "push_back", "put", "raise", "range", "rather",
    "readonly", "ref", "register", "reinterpret_cast", "rem", "repeat", "require", "required", "requires", "rescue",
    "restrict", "result", "return", "returns", "same", "say", "says", "sealed", "see", "seen", "select", "self",
    "set", "several", "shall", "she", "short", "should", "shouldn", "signed", "since", "size", "size_t", "sizeof",
    "some", "someone", "something", "src", "static", "static_assert", "static_cast", "std", "still", "str", "strict",
    "string", "string_view", "struct", "sub", "such", "super", "switch", "synchronized", "take", "taken", "takes",
    "template", "than", "that", "the", "their", "theirs", "them", "themselves", "then", "there", "therefore", "these",
    "they", "thing", "things", "this", "those", "though", "three", "through", "throw", "throws", "thus", "todo",
    "too", "transient", "true", "try", "tuple", "two", "type", "typedef", "typeid", "typename", "typeof", "types",
    "uint", "uint16", "uint16_t", "uint32", "uint32_t", "uint64", "uint64_t", "uint8", "uint8_t", "uintptr_t",
    "ulong", "undef", "undefined", "under", "union", "unless", "unsafe", "unset", "unsigned", "until", "upon", "use",
    "used", "useful", "user", "uses", "ushort", "using", "usually", "val", "value", "values", "var", "vararg", "vec",
    "vector", "very", "via", "virtual", "void", "volatile", "want", "wants", "was", "wasn", "way", "wchar_t", "well",
    "went", "were", "what", "when", "where", "whether", "which", "while", "who", "whole", "whom", "whose", "why",
    "will", "with", "within", "without", "won", "would", "wouldn", "www", "xml", "xor", "yes", "yet", "yield", "you",
    "your", "yours",
};
// clang-format on
static_assert(std::is_sorted(stop_words.begin(), stop_words.end()));

}  // namespace

bool is_stop_word(std::string_view folded) noexcept {
  return std::binary_search(stop_words.begin(), stop_words.end(), folded);
}

}  // namespace digest
