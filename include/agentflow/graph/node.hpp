// SPDX-License-Identifier: MIT
// A node without its types: what the engine calls.
#pragma once

#include <memory>
#include <typeinfo>
#include <vector>

#include <asio/awaitable.hpp>

#include <agentflow/core/config.hpp>
#include <agentflow/core/error.hpp>
#include <agentflow/graph/context.hpp>
#include <agentflow/graph/state_ops.hpp>
#include <agentflow/state/command.hpp>

namespace agentflow {

class GraphSpec;

/// What a call of a node reads and writes. Either `state` is set: the node may consume it and leaves the new state
/// there; or `input` is: the node leaves it alone and puts what it changed into `update`.
class NodeIO {
 public:
  NodeContext* context = nullptr;
  void* state = nullptr;
  const void* input = nullptr;
  void* update = nullptr;
  bool state_input = true;      ///< Whether `input` is a state; else the Send's own type.
  bool merging = false;         ///< An update is being merged into `state`: what is thrown now is a reducer's.
  std::vector<Target> targets;  ///< Of a Command.
};

/// How the input of a Send is kept in a checkpoint. Null members mean "this type cannot".
class InputCodec {
 public:
  void (*save)(JsonWriter& out, const void* input) = nullptr;
  std::shared_ptr<const void> (*load)(const JsonReader& in) = nullptr;
  bool complete() const noexcept { return save != nullptr && load != nullptr; }

  template <class T>
  static InputCodec of() {
    InputCodec codec;
    if constexpr (JsonWritable<T> && JsonReadable<T> && std::is_default_constructible_v<T>) {
      codec.save = [](JsonWriter& out, const void* input) { write_json(out, *static_cast<const T*>(input)); };
      codec.load = [](const JsonReader& in) -> std::shared_ptr<const void> {
        auto input = std::make_shared<T>();
        read_json(in, *input);
        return input;
      };
    }
    return codec;
  }
};

/// How the engine runs a node.
enum class node_kind {
  sync,      ///< `call`, inline.
  async,     ///< `acall`, on the run's executor.
  blocking,  ///< `call`, on the graph's blocking pool.
  subgraph,  ///< `enter`, a nested run of `subgraph()`, `leave`.
};

/// A node whose types are erased. Implementations are made by `StateGraph::add_node`.
class AGENTFLOW_VISIBLE ErasedNode {
 public:
  virtual ~ErasedNode();
  virtual node_kind kind() const noexcept = 0;
  /// The type of the input that the node declares: the graph's state, or what a Send must carry.
  virtual const std::type_info& input_type() const noexcept = 0;
  /// How what a Send carries to this node is stored; used where that is not the graph's state.
  virtual InputCodec input_codec() const noexcept { return {}; }
  /// Whether the node may return a Command, and so choose where to go.
  virtual bool may_command() const noexcept { return false; }
  virtual void call(NodeIO& io);
  virtual asio::awaitable<void> acall(NodeIO& io);
  virtual std::shared_ptr<const GraphSpec> subgraph() const { return nullptr; }
  /// Whether a subgraph has a state of its own, which is mapped to and from that of the graph.
  virtual bool maps_state() const noexcept { return false; }
  virtual StateBox enter(NodeIO& io);
  virtual void leave(NodeIO& io, StateBox child);
};

/// A router whose types are erased.
class AGENTFLOW_VISIBLE ErasedRouter {
 public:
  virtual ~ErasedRouter();
  virtual bool is_async() const noexcept = 0;
  /// Whether one call may name several targets; a router that returns one name cannot.
  virtual bool may_fan_out() const noexcept = 0;
  virtual Route call(const void* state, NodeContext& context);
  virtual asio::awaitable<Route> acall(const void* state, NodeContext& context);
};

/// An error handler whose types are erased: gives the failed node's result in its place.
class AGENTFLOW_VISIBLE ErasedHandler {
 public:
  virtual ~ErasedHandler();
  virtual void call(NodeIO& io, const error& e) = 0;
};

}  // namespace agentflow
