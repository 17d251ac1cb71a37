// SPDX-License-Identifier: MIT
// Several models for one task: when one fails, the next is asked.
#pragma once

#include <memory>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/ports/chat_model.hpp>

namespace agentflow::llm {

/// Asks the first model; when that fails, the next, and so on. Each is asked with the same request, but
/// `ChatRequest::model` goes to the first alone, because the others do not know its name. What the last of them throws
/// comes out. A stream goes over to another model only while none of its pieces has reached the caller. A request that
/// is at fault itself (model_bad_request) is tried on too: what one provider refuses another may take. A used-up budget
/// ends it.
///
/// **Errors** `config_error` (bad_config) for no model at all, or a null one.
AGENTFLOW_API std::shared_ptr<ChatModel> with_fallbacks(std::vector<std::shared_ptr<ChatModel>> models);

}  // namespace agentflow::llm
