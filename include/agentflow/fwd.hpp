// SPDX-License-Identifier: MIT
// Forward declarations only.
#pragma once

namespace agentflow {

class BackgroundTaskManager;
class ChatEvent;
class ChatModel;
class ChatRequest;
class ChatResponse;
class ChatStream;
class Chunk;
class Clock;
class CompileOptions;
class ErrorContext;
class GracefulShutdownManager;
class JsonFields;
class JsonState;
class JsonValue;
class Message;
class NodeContext;
class NodeOptions;
class RetryPolicy;
class Route;
class RunConfig;
class RunId;
class Semaphore;
class Send;
class ShutdownStats;
class error;
class model_error;
struct AgentState;

template <class S>
class Command;
template <class S>
class CompiledGraph;
template <class T>
class Generator;
template <class S>
class Input;
template <class T>
class List;
template <class T>
class Outcome;
template <class S>
class Run;
template <class S>
class RunResult;
template <class S>
class StateGraph;
template <class S>
class Stream;
template <class S>
class Update;

}  // namespace agentflow
