// The one exception of the core: a stable code, a message that names the place, a hint that says what to do
// next.
#pragma once
#include <exception>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace tongueforge {

/// Facts behind a message, in order: {"file", "model.safetensors"}, {"offset", "8"}...
using ErrorDetails = std::vector<std::pair<std::string, std::string>>;

class Error : public std::exception {
 public:
  Error(std::string code, std::string message, std::string hint = {}, ErrorDetails details = {})
      : code_(std::move(code)),
        message_(std::move(message)),
        hint_(std::move(hint)),
        details_(std::move(details)) {}

  const char* what() const noexcept override { return message_.c_str(); }
  const std::string& code() const { return code_; }
  const std::string& message() const { return message_; }
  const std::string& hint() const { return hint_; }
  const ErrorDetails& details() const { return details_; }

 private:
  std::string code_, message_, hint_;
  ErrorDetails details_;
};

/// Joins its arguments as text: str("expected ", 3, " rows").
template <class... Parts>
std::string str(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

}  // namespace tongueforge
