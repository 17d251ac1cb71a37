// SPDX-License-Identifier: MIT
// Exchanges with a model, kept in a file and played back.
#pragma once

#include <memory>
#include <string>

#include <agentflow/core/config.hpp>
#include <agentflow/ports/chat_model.hpp>

namespace agentflow::llm {

/// Writes every exchange with a model to a file, as it happens: one line of JSON with the request and the events of the
/// answer, or its error. Keys are not in it; what is said is. Exchanges that are given up are left out. An older file
/// of the name is replaced.
///
/// **Errors** `config_error` (bad_config) when the file cannot be opened; `model_error` (model_protocol) from a call
/// whose exchange cannot be written.
/// **Complexity/blocking** Blocks the event loop for one short write at the end of each exchange.
AGENTFLOW_API std::shared_ptr<ChatModel> recording(std::shared_ptr<ChatModel> model, std::string file);

/// Answers from such a file, without any network: a request with the answer that the same request got, each recorded
/// exchange once, in order. Requests are the same when all that a model would see is: ids and times of messages, limits
/// and `keep_raw` do not count.
///
/// **Errors** `config_error` (bad_config) for a file that cannot be read or is no recording, with the line; a request
/// that is not in it is a `model_error` (model_bad_request).
AGENTFLOW_API std::shared_ptr<ChatModel> replaying(const std::string& file);

}  // namespace agentflow::llm
