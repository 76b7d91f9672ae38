#include "checkpoint/strict_json.h"

#include "checkpoint/json_text.h"
#include "checkpoint/shard_index.h"
#include "checkpoint/utf8.h"
#include "fixtures.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using checkpoint::JsonReader;

namespace {

JsonReader reader(std::string_view text) { return JsonReader(text, {"ERR_TEST", "t.json", 100, "hint"}); }

std::string reason_of_skipping(const std::string& text) {
  return detail(caught([&] {
                  JsonReader json = reader(text);
                  json.skip_value();
                  json.expect_end();
                }),
                "reason");
}

bool skips(const std::string& text) {
  JsonReader json = reader(text);
  json.skip_value();
  json.expect_end();
  return true;
}

std::string nested(int levels) {
  return std::string(static_cast<size_t>(levels), '[') + std::string(static_cast<size_t>(levels), ']');
}

}  // namespace

TEST_CASE("JSON of every kind is read over") {
  for (const char* text : {"null", " true ", "false", "0", "-1.5e+10", "10", "1E-2", "\"\"", "[]", "{}",
                           "[[],{}]", "{\"a\":[1,{\"b\":null}],\"c\":\"\\u0041\"}", "[0.0, -0.5]"}) {
    CAPTURE(text);
    CHECK(skips(text));
  }
}

TEST_CASE("text that is almost JSON is refused") {
  for (const char* text :
       {"",        "nul", "tru e",   "+1",          ".5",      "1.",  "1e",      "01",         "-",
        "-01",     "-0",  "[1 2]",   "[,1]",        "[1,]",    "{,}", "{\"a\"}", "{\"a\":1,}", "{a:1}",
        "{'a':1}", "\"",  "\"\\x\"", "\"\\u12g4\"", "\"\\u12", "[",   "{\"a\":", "Infinity",   "// c\n1"}) {
    CAPTURE(text);
    CHECK(reason_of_skipping(text) == "json_syntax");
  }
  CHECK(reason_of_skipping("1 2") == "text_after_end");
  CHECK(reason_of_skipping("{\"a\":1,\"\\u0061\":2}") == "duplicate_key");
}

TEST_CASE("nesting is cut at 64 levels without deep recursion") {
  CHECK(skips(nested(65)));
  CHECK(reason_of_skipping(nested(66)) == "nesting");
  CHECK(reason_of_skipping(nested(1'000'000)) == "nesting");
}

TEST_CASE("integers are exact up to 2^64-1") {
  const auto read = [](const char* text) { return reader(text).read_u64(); };
  CHECK(read("9007199254740993") == 9007199254740993ull);
  CHECK(read("18446744073709551615") == ~0ull);
  CHECK(detail(caught([&] { read("18446744073709551616"); }), "reason") == "integer_overflow");
  CHECK(detail(caught([&] { read("184467440737095516150"); }), "reason") == "integer_overflow");
  CHECK(detail(caught([&] { read("1.0"); }), "reason") == "not_unsigned_integer");
}

TEST_CASE("refusals say where, from the start of the file") {
  const Error error = caught([] {
    JsonReader json = reader("[1, x]");
    json.skip_value();
  });
  CHECK(error.code() == "ERR_TEST");
  CHECK(detail(error, "offset") == "104");
  CHECK(error.message() == "t.json, byte 104: expected a JSON value, received 'x'");
  CHECK(error.hint() == "hint");
}

TEST_CASE("text that we quote is read back as it was") {
  std::string all;
  for (int c = 0; c < 128; ++c) all += static_cast<char>(c);
  all += "\xc3\xa9\xe4\xbd\xa0\xf0\x9f\x98\x80";
  CHECK(reader(checkpoint::json_quoted(all)).read_string() == all);
}

TEST_CASE("hostile names are shown short and without control characters") {
  CHECK(checkpoint::printable(std::string("a\0\x1b[31m\x7f", 8)) == "a\\u0000\\u001b[31m\\u007f");
  std::string lengthy;
  for (int i = 0; i < 100; ++i) lengthy += "\xe4\xbd\xa0";
  CHECK(checkpoint::printable(lengthy) == lengthy.substr(0, 198) + "...");
}

TEST_CASE("a value of another kind is told by what it is") {
  const std::pair<const char*, const char*> kinds[] = {{"{}", "an object"},   {"[]", "an array"},
                                                       {"\"a\"", "a string"}, {"true", "true"},
                                                       {"false", "false"},    {"null", "null"}};
  for (const auto& [text, kind] : kinds) {
    const std::string file = "{\"metadata\":{\"total_size\":" + std::string(text) + "},\"weight_map\":{}}";
    const Error error = caught([&] { checkpoint::parse_shard_index(file, "i.json"); });
    CHECK(error.message().find(std::string("received ") + kind) != std::string::npos);
  }
  CHECK(caught([] { reader("5").read_string(); }).message().find("expected a string") != std::string::npos);
  CHECK(reason_of_skipping("\xfe\xff") == "utf16");
  CHECK(checkpoint::utf8_length("", 0) == 0);
}
