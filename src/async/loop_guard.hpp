// SPDX-License-Identifier: MIT
// Private: which threads must not block, because an event loop or a run is on them.
#pragma once

#include <string_view>

namespace agentflow::detail {

/// Whether this thread is running an event loop, or user code of a run: a blocking call would hold both up.
bool on_loop_thread() noexcept;
/// Throws `nested_loop_error` there, naming the call and what to use instead.
void refuse_on_loop_thread(std::string_view call, std::string_view instead);

/// Marks this thread as running user code of a run.
class UserCode {
 public:
  UserCode() noexcept;
  ~UserCode();
  UserCode(const UserCode&) = delete;
  UserCode& operator=(const UserCode&) = delete;
};

}  // namespace agentflow::detail
