// Strings on their way out: into JSON that we write, and into messages that people read.
#pragma once
#include <string>
#include <string_view>

namespace tongueforge::checkpoint {

/// The JSON string for this UTF-8 text, quotes included: escapes what must be escaped and nothing else.
std::string json_quoted(std::string_view text);

/// Safe to show: control characters escaped, cut after 200 bytes. For names out of files that nobody vouches
/// for.
std::string printable(std::string_view text);

}  // namespace tongueforge::checkpoint
