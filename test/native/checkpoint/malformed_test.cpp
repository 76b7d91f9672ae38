// The malformed files that a strict reader must refuse, numbered as in the project's list of hostile inputs
// (1 to 50). Number 25, a null __metadata__, is harmless and accepted.
#include <algorithm>
#include <limits>
#include <set>

#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_scan.h"
#include "fixtures.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using checkpoint::SafetensorsFile;

namespace {

std::string little_endian(uint64_t n) {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(n >> (8 * i));
  return bytes;
}

/// A file with this header text and so many zero bytes of data.
std::string file_of(const std::string& header, size_t data_bytes = 0) {
  return little_endian(header.size()) + header + std::string(data_bytes, '\0');
}

/// An entry with the usual fields.
std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}";
}

std::string with_shape(const std::string& shape) {
  return file_of("{" + entry("a", "\"F32\"", shape, "[0,8]") + "}", 8);
}
std::string with_dtype(const std::string& dtype) {
  return file_of("{" + entry("a", dtype, "[2]", "[0,8]") + "}", 8);
}
std::string with_offsets(const std::string& offsets) {
  return file_of("{" + entry("a", "\"F32\"", "[2]", offsets) + "}", 8);
}
std::string with_name(const std::string& name) {
  return file_of("{" + entry(name, "\"F32\"", "[2]", "[0,8]") + "}", 8);
}
std::string f32(const std::string& name, const std::string& shape, const std::string& offsets) {
  return entry(name, "\"F32\"", shape, offsets);
}

std::string utf16(const std::string& text) {
  std::string wide;
  for (const char c : text) wide += {c, '\0'};
  return wide;
}

std::string repeat(const std::string& part, size_t times) {
  std::string all;
  for (size_t i = 0; i < times; ++i) all += part;
  return all;
}

struct Malformed {
  int number;
  const char* description;
  std::function<std::string()> make;
  const char* reason;
  const char* tensor = nullptr;  // that the error must name
};

const std::string kValid = "{" + f32("a", "[2]", "[0,8]") + "}";

// clang-format off: a row a file
const std::vector<Malformed> kMalformed = {
    {1, "empty file", [] { return std::string(); }, "file_too_short"},
    {2, "seven bytes", [] { return std::string(7, '\2'); }, "file_too_short"},
    {3, "a header of no bytes", [] { return little_endian(0) + "{}"; }, "header_empty"},
    {4, "header length 2^64-1", [] { return little_endian(~0ull) + kValid; }, "header_too_large"},
    {4, "header length 2^64-8, which wraps to 0", [] { return little_endian(~7ull) + kValid; }, "header_too_large"},
    {5, "header length one above the limit", [] { return little_endian(100'000'001) + kValid; }, "header_too_large"},
    {6, "header longer than the file", [] { return little_endian(kValid.size() + 1) + kValid; }, "header_past_end"},
    {7, "big-endian header length",
     [] { std::string n = little_endian(kValid.size()); std::reverse(n.begin(), n.end()); return n + kValid + std::string(8, '\0'); },
     "header_too_large"},
    {8, "invalid UTF-8 in a name", [] { return with_name("a\xff"); }, "invalid_utf8"},
    {8, "overlong UTF-8", [] { return with_name("\xc0\xaf"); }, "invalid_utf8"},
    {8, "a surrogate in UTF-8", [] { return with_name("\xed\xa0\x80"); }, "invalid_utf8"},
    {8, "UTF-8 cut by the quote", [] { return with_name("\xe4\xbd"); }, "invalid_utf8"},
    {8, "a stray byte between tokens", [] { return file_of("{\x80}"); }, "invalid_utf8"},
    {9, "byte order mark", [] { return file_of("\xef\xbb\xbf" + kValid, 8); }, "bom"},
    {10, "UTF-16 with mark", [] { return file_of("\xff\xfe" + utf16(kValid), 8); }, "utf16"},
    {10, "UTF-16 without mark", [] { return file_of(utf16(kValid), 8); }, "utf16"},
    {11, "NUL padding", [] { return file_of(kValid + std::string(3, '\0'), 8); }, "nul_padding"},
    {12, "two JSON documents", [] { return file_of(kValid + "{}", 8); }, "text_after_end"},
    {13, "trailing comma in the root", [] { return file_of("{" + f32("a", "[2]", "[0,8]") + ",}", 8); }, "json_syntax"},
    {13, "trailing comma in an array", [] { return with_shape("[2,]"); }, "json_syntax", "a"},
    {13, "comment", [] { return file_of("{/*x*/" + f32("a", "[2]", "[0,8]") + "}", 8); }, "json_syntax"},
    {13, "NaN literal", [] { return with_shape("[NaN]"); }, "json_syntax", "a"},
    {13, "leading zero", [] { return with_shape("[02]"); }, "json_syntax", "a"},
    {13, "minus zero", [] { return with_offsets("[-0,8]"); }, "json_syntax", "a"},
    {14, "root is an array", [] { return file_of("[]"); }, "root_not_object"},
    {14, "root is null", [] { return file_of("null"); }, "root_not_object"},
    {15, "raw control character in a string", [] { return with_name("a\nb"); }, "control_character"},
    {16, "lone high surrogate", [] { return with_name("a\\ud800"); }, "lone_surrogate"},
    {16, "lone low surrogate", [] { return with_name("\\udc00a"); }, "lone_surrogate"},
    {16, "high surrogate before another escape", [] { return with_name("\\ud800\\u0041"); }, "lone_surrogate"},
    {17, "arrays 10^5 deep", [] { return file_of("{\"a\":" + repeat("[", 100'000)); }, "entry_not_object", "a"},
    {17, "objects 10^5 deep", [] { return file_of(repeat("{\"a\":", 100'000)); }, "unknown_field", "a"},
    {18, "a name twice, same entry",
     [] { return file_of("{" + f32("a", "[2]", "[0,8]") + "," + f32("a", "[2]", "[0,8]") + "}", 8); }, "duplicate_name", "a"},
    {19, "a name twice, another shape",
     [] { return file_of("{" + f32("a", "[2]", "[0,8]") + "," + f32("a", "[1,2]", "[0,8]") + "}", 8); }, "duplicate_name", "a"},
    {20, "a name twice through an escape",
     [] { return file_of("{" + f32("a", "[2]", "[0,8]") + "," + f32("\\u0061", "[2]", "[8,16]") + "}", 16); }, "duplicate_name", "a"},
    {21, "dtype twice", [] { return with_dtype("\"F32\",\"dtype\":\"F32\""); }, "duplicate_field", "a"},
    {22, "__metadata__ twice", [] { return file_of(R"({"__metadata__":{},"__metadata__":{}})"); }, "duplicate_metadata"},
    {22, "__metadata__ twice through an escape", [] { return file_of(R"({"__metadata__":{},"__met\u0061data__":{}})"); }, "duplicate_metadata"},
    {23, "a metadata key twice", [] { return file_of(R"({"__metadata__":{"k":"v","k":"v"}})"); }, "duplicate_metadata_key"},
    {24, "integer in __metadata__", [] { return file_of(R"({"__metadata__":{"k":1}})"); }, "metadata_not_string_map"},
    {24, "map in __metadata__", [] { return file_of(R"({"__metadata__":{"k":{}}})"); }, "metadata_not_string_map"},
    {24, "null in __metadata__", [] { return file_of(R"({"__metadata__":{"k":null}})"); }, "metadata_not_string_map"},
    {24, "list for __metadata__", [] { return file_of(R"({"__metadata__":[]})"); }, "metadata_not_string_map"},
    {24, "string for __metadata__", [] { return file_of(R"({"__metadata__":"pt"})"); }, "metadata_not_string_map"},
    {26, "unknown dtype", [] { return with_dtype("\"F33\""); }, "unknown_dtype", "a"},
    {26, "lower-case dtype", [] { return with_dtype("\"f32\""); }, "unknown_dtype", "a"},
    {26, "C128", [] { return with_dtype("\"C128\""); }, "unknown_dtype", "a"},
    {26, "integer dtype", [] { return with_dtype("7"); }, "dtype_not_string", "a"},
    {27, "no dtype", [] { return file_of(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8); }, "missing_field", "a"},
    {27, "no shape", [] { return file_of(R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", 8); }, "missing_field", "a"},
    {27, "no offsets", [] { return file_of(R"({"a":{"dtype":"F32","shape":[2]}})", 8); }, "missing_field", "a"},
    {28, "an unknown field", [] { return with_dtype("\"F32\",\"strides\":[1]"); }, "unknown_field", "a"},
    {29, "an entry as an array", [] { return file_of(R"({"a":["F32",[2],[0,8]]})", 8); }, "entry_not_object", "a"},
    {30, "negative dimension", [] { return with_shape("[-2]"); }, "not_unsigned_integer", "a"},
    {30, "dimension 2.0", [] { return with_shape("[2.0]"); }, "not_unsigned_integer", "a"},
    {30, "dimension 2e0", [] { return with_shape("[2e0]"); }, "not_unsigned_integer", "a"},
    {30, "dimension \"2\"", [] { return with_shape("[\"2\"]"); }, "not_unsigned_integer", "a"},
    {30, "dimension null", [] { return with_shape("[null]"); }, "not_unsigned_integer", "a"},
    {30, "dimension 2^64", [] { return with_shape("[18446744073709551616]"); }, "integer_overflow", "a"},
    {30, "shape is a number", [] { return with_shape("2"); }, "shape_not_array", "a"},
    {31, "product 2^32 * 2^32, which wraps to 0", [] { return file_of("{" + f32("a", "[4294967296,4294967296]", "[0,0]") + "}"); }, "shape_overflow", "a"},
    {32, "zero before 2^63", [] { return file_of("{" + f32("a", "[0,9223372036854775808,4]", "[0,0]") + "}"); }, "dimension_too_large", "a"},
    {32, "2^63 before zero", [] { return file_of("{" + f32("a", "[9223372036854775808,4,0]", "[0,0]") + "}"); }, "dimension_too_large", "a"},
    {32, "zero before an overflow", [] { return file_of("{" + f32("a", "[0,4611686018427387904,4]", "[0,0]") + "}"); }, "shape_overflow", "a"},
    {33, "rank 100,000", [] { return with_shape("[1" + repeat(",1", 99'999) + "]"); }, "rank_too_high", "a"},
    {34, "F4 with an odd count", [] { return file_of("{" + entry("a", "\"F4\"", "[3]", "[0,2]") + "}", 2); }, "sub_byte_size", "a"},
    {35, "one offset", [] { return with_offsets("[8]"); }, "offsets_count", "a"},
    {35, "three offsets", [] { return with_offsets("[0,8,8]"); }, "offsets_count", "a"},
    {35, "no offsets in the array", [] { return with_offsets("[]"); }, "offsets_count", "a"},
    {36, "reversed offsets", [] { return with_offsets("[8,0]"); }, "offsets_reversed", "a"},
    {37, "negative offset", [] { return with_offsets("[-8,0]"); }, "not_unsigned_integer", "a"},
    {38, "first tensor not at 0", [] { return file_of("{" + f32("a", "[2]", "[4,12]") + "}", 12); }, "hole", "a"},
    {39, "hole", [] { return file_of("{" + f32("a", "[1]", "[0,4]") + "," + f32("b", "[1]", "[8,12]") + "}", 12); }, "hole", "b"},
    {40, "overlap", [] { return file_of("{" + f32("a", "[2]", "[0,8]") + "," + f32("b", "[2]", "[4,12]") + "}", 12); }, "overlap", "b"},
    {41, "the same range twice", [] { return file_of("{" + f32("a", "[2]", "[0,8]") + "," + f32("b", "[2]", "[0,8]") + "}", 8); }, "overlap", "b"},
    {42, "an empty tensor inside another", [] { return file_of("{" + f32("a", "[2]", "[0,8]") + "," + f32("b", "[0]", "[4,4]") + "}", 8); }, "overlap", "b"},
    {42, "an empty tensor past the end", [] { return file_of("{" + f32("a", "[2]", "[0,8]") + "," + f32("b", "[0]", "[9,9]") + "}", 8); }, "past_end_of_file", "b"},
    {43, "size and shape differ", [] { return with_shape("[3]"); }, "size_mismatch", "a"},
    {44, "bytes after the data", [] { return file_of(kValid, 8) + "PK\3\4"; }, "trailing_bytes"},
    {44, "data without tensors", [] { return file_of("{}", 1); }, "trailing_bytes"},
    {45, "one byte short", [] { return file_of(kValid, 7); }, "past_end_of_file", "a"},
    {46, "data past the end", [] { return file_of("{" + f32("a", "[2]", "[1000,1008]") + "}", 8); }, "past_end_of_file", "a"},
    {47, "empty name", [] { return with_name(""); }, "empty_name"},
    {48, "NUL in a name", [] { return with_name("a\\u0000b"); }, "control_character_in_name", "a\\u0000b"},
    {48, "escaped newline in a name", [] { return with_name("a\\nb"); }, "control_character_in_name", "a\\u000ab"},
    {49, "a name that climbs", [] { return with_name("../../x"); }, "path_in_name", "../../x"},
    {49, "a name that climbs in the middle", [] { return with_name("a\\\\..\\\\b"); }, "path_in_name"},
    {49, "a name from the root", [] { return with_name("/etc/x"); }, "path_in_name"},
    {50, "a BOOL byte of 2", [] { return file_of("{" + entry("a", "\"BOOL\"", "[3]", "[0,3]") + "}") + "\1\2\1"; }, "bool_value", "a"},
};
// clang-format on

void open_and_scan(const std::string& path) {
  SilentJob job;
  checkpoint::scan(SafetensorsFile::open(path), job);
}

}  // namespace

TEST_CASE("every malformed safetensors file is refused with code, file, offset and reason") {
  const TempFolder folder;
  const std::string path = folder / "m.safetensors";
  for (const Malformed& malformed : kMalformed) {
    INFO("case ", malformed.number, ": ", malformed.description);
    spill(path, malformed.make());
    const Error error = caught([&] { open_and_scan(path); });
    CHECK(error.code() == "ERR_SAFETENSORS");
    CHECK(detail(error, "reason") == malformed.reason);
    CHECK(detail(error, "file") == path);
    const std::string offset = detail(error, "offset");
    REQUIRE(offset.find_first_not_of("0123456789") == std::string::npos);
    CHECK(std::stoull(offset) <= std::filesystem::file_size(path));
    if (malformed.tensor) CHECK(detail(error, "tensor") == malformed.tensor);
    CHECK(error.message().find(path) == 0);
    CHECK(error.message().find('\0') == std::string::npos);
    CHECK_FALSE(error.hint().empty());
  }
}

TEST_CASE("the malformed files cover every number of the list") {
  std::set<int> numbers = {25};
  for (const Malformed& malformed : kMalformed) numbers.insert(malformed.number);
  for (int number = 1; number <= 50; ++number) CHECK_MESSAGE(numbers.count(number) == 1, "number ", number);
}

TEST_CASE("an offset points at the place in the file") {
  const TempFolder folder;
  const std::string path = folder / "m.safetensors", bytes = with_shape("[2,-7]");
  spill(path, bytes);
  CHECK(detail(caught([&] { open_and_scan(path); }), "offset") == std::to_string(bytes.find("-7")));
}

TEST_CASE("a bool byte is only looked at by a scan") {
  const TempFolder folder;
  spill(folder / "m.safetensors", file_of("{" + entry("a", "\"BOOL\"", "[2]", "[0,2]") + "}") + "\1\2");
  CHECK_NOTHROW(SafetensorsFile::open(folder / "m.safetensors"));
}

TEST_CASE("valid files of every kind are accepted") {
  const TempFolder folder;
  const std::string path = folder / "v.safetensors";
  const std::vector<std::pair<const char*, std::string>> valid = {
      {"no tensor", file_of("{}")},
      {"25: null metadata", file_of(R"({"__metadata__":null})")},
      {"trailing spaces", file_of(kValid + "     ", 8)},
      {"white space around and inside",
       file_of(" \n{ \"a\" : {\t\"dtype\":\"F32\" , \"shape\":[ 2 ],\r\n\"data_offsets\":[0 , 8]} } ", 8)},
      {"header order against data order",
       file_of("{" + f32("a", "[1]", "[4,8]") + "," + f32("b", "[1]", "[0,4]") + "}", 8)},
      {"rank 0", file_of("{" + f32("a", "[]", "[0,4]") + "}", 4)},
      {"rank 64", file_of("{" + f32("a", "[1" + repeat(",1", 63) + "]", "[0,4]") + "}", 4)},
      {"empty at the begin",
       file_of("{" + f32("b", "[0]", "[0,0]") + "," + f32("a", "[2]", "[0,8]") + "}", 8)},
      {"empty at a boundary", file_of("{" + f32("a", "[1]", "[0,4]") + "," + f32("c", "[1]", "[4,8]") + "," +
                                          f32("b", "[3,0]", "[4,4]") + "}",
                                      8)},
      {"empty at the end",
       file_of("{" + f32("a", "[2]", "[0,8]") + "," + f32("b", "[0,5]", "[8,8]") + "}", 8)},
      {"F4 even", file_of("{" + entry("a", "\"F4\"", "[2,3]", "[0,3]") + "}", 3)},
      {"F6 in whole bytes", file_of("{" + entry("a", "\"F6_E2M3\"", "[4]", "[0,3]") + "}", 3)},
      {"a header of odd length", file_of(kValid + std::string(1 + kValid.size() % 2, ' '), 8)},
      {"fields in another order", file_of(R"({"a":{"data_offsets":[0,8],"shape":[2],"dtype":"F32"}})", 8)},
      {"names in other scripts, dots, a pair of surrogates", with_name("\xe5\xb1\xa4.0\\ud83d\\ude00/x..y")},
      {"metadata with escapes", file_of(R"({"__metadata__":{"k":"\"\\\/\b\f\n\r\t\u00e9"}})")},
  };
  for (const auto& [description, bytes] : valid) {
    INFO(description);
    spill(path, bytes);
    CHECK_NOTHROW(open_and_scan(path));
  }
}

TEST_CASE("the escapes of a header are decoded") {
  const TempFolder folder;
  const std::string path = folder / "v.safetensors";
  spill(path, file_of(R"({"__metadata__":{"k\u0041":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\u4f60"}})"));
  const SafetensorsFile file = SafetensorsFile::open(path);
  REQUIRE(file.metadata().size() == 1);
  CHECK(file.metadata()[0].first == "kA");
  CHECK(file.metadata()[0].second == "\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80\xe4\xbd\xa0");
}

TEST_CASE("a scan counts NaN, infinities and zeros of every type, and accepts them") {
  const TempFolder folder;
  const auto bytes = [](std::initializer_list<int> list) { return std::string(list.begin(), list.end()); };
  using checkpoint::TensorSpec;
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN(),
               one = 1;
  std::string doubles;
  for (const double* value : {&inf, &nan, &one, &nan})
    doubles.append(reinterpret_cast<const char*>(value), 8);
  const std::vector<MadeTensor> tensors = {
      {{"f64", DType::F64, {4}}, doubles},
      {{"c64", DType::C64, {1}}, bytes({0, 0, 0xc0, 0x7f, 0, 0, 0x80, 0xff})},
      {{"f32", DType::F32, {2}}, bytes({1, 0, 0x80, 0x7f, 0, 0, 0x80, 0x7f})},
      {{"bf16", DType::BF16, {3}}, bytes({0x80, 0x7f, 0xc0, 0xff, 0x81, 0x7f})},
      {{"f16", DType::F16, {3}}, bytes({0, 0x7c, 0, 0xfc, 0, 0x7e})},
      {{"e5m2", DType::F8_E5M2, {3}}, bytes({0x7c, 0x7d, 0xfc})},
      {{"e4m3", DType::F8_E4M3, {3}}, bytes({0x7f, 0xff, 0x7e})},
      {{"e8m0", DType::F8_E8M0, {2}}, bytes({0xff, 0x7f})},
      {{"fnuz4", DType::F8_E4M3FNUZ, {2}}, bytes({0x80, 0x7f})},
      {{"fnuz5", DType::F8_E5M2FNUZ, {2}}, bytes({0x80, 0xff})},
      {{"u8", DType::U8, {3}}, bytes({0xff, 0x80, 0})},
      {{"i64", DType::I64, {2}}, bytes({0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})},
      {{"z16", DType::F16, {3}}, bytes({0, 0x80, 0, 0, 1, 0})},
      {{"z8", DType::F8_E4M3, {3}}, bytes({0x80, 0, 1})},
      {{"zc", DType::C64, {2}}, bytes({0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0x80, 0x3f})},
      {{"f4", DType::F4, {4}}, bytes({0x78, 0x10})},
      {{"f6", DType::F6_E2M3, {4}}, bytes({0x20, 0xf0, 0x07})},
  };
  spill(folder / "s.safetensors", make_file_bytes(tensors));
  SilentJob job;
  std::string found;
  for (const auto& row : checkpoint::scan(SafetensorsFile::open(folder / "s.safetensors"), job)) {
    found += str(row.name, ":", row.num_nan, ",", row.num_inf, ",", row.num_zero, " ");
  }
  CHECK(found ==
        "f64:2,1,0 c64:1,1,0 f32:1,1,0 bf16:2,1,0 f16:1,2,0 e5m2:1,2,0 e4m3:2,0,0 e8m0:1,0,0 fnuz4:1,0,0 "
        "fnuz5:1,0,0 u8:0,0,1 "
        "i64:0,0,1 z16:0,0,2 z8:0,0,2 zc:0,0,1 f4:0,0,2 f6:0,0,2 ");
}
