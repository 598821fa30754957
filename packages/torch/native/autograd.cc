#include "autograd.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/csrc/autograd/variable.h>

#include "values.h"

namespace padnet {

namespace {

using torch::autograd::SavedVariable;
using torch::autograd::variable_list;

std::vector<at::Tensor> toGradients(Environment& environment, napi_value value) {
  return isNullish(environment.env, value) ? std::vector<at::Tensor>() : toTensorList(environment, value);
}

/// Nodes are held by c10::intrusive_ptr in a current libtorch, by std::shared_ptr in older ones.
template <class Node>
constexpr bool kIntrusive = std::is_base_of<c10::intrusive_ptr_target, Node>::value;

/// Another owner of `node`.
template <class Node>
auto ownerOf(Node* node) {
  if constexpr (kIntrusive<Node>) {
    return c10::intrusive_ptr<Node>::reclaim_copy(node);
  } else {
    return node->shared_from_this();
  }
}

template <class Node, class... Arguments>
auto makeNode(Arguments&&... arguments) {
  if constexpr (kIntrusive<Node>) {
    return c10::make_intrusive<Node>(std::forward<Arguments>(arguments)...);
  } else {
    return std::shared_ptr<Node>(new Node(std::forward<Arguments>(arguments)...),
                                 [](Node* node) { deleteNode(node); });  // libtorch's, without deep recursion
  }
}

/// A node of the graph whose gradient is a JavaScript function. In double backward the function runs with gradients
/// enabled, so the operators that it calls are recorded like any others.
struct JsNode : torch::autograd::Node {
  JsNode(Environment& environment, napi_value function, std::string label)
      : backward(environment, function), label(std::move(label)) {}

  variable_list apply(variable_list&& gradients) override {
    backward.checkCallable();
    Environment& environment = backward.environment();
    HandleScope scope(environment.env);
    for (size_t i = 0; i < gradients.size(); i++) {
      if (!gradients[i].defined()) gradients[i] = input_metadata(i).zeros_like();
    }
    std::vector<at::Tensor> unpacked;
    for (size_t i = 0; i < saved.size(); i++) {
      unpacked.push_back(savedIsOutput[i] ? saved[i].unpack(ownerOf<torch::autograd::Node>(this)) : saved[i].unpack());
    }
    napi_value result = backward.call({fromTensorList(environment, gradients), fromTensorList(environment, unpacked)});

    const std::vector<napi_value> values = toList(environment.env, result, "an array with one gradient for each input");
    TORCH_CHECK(values.size() == num_outputs(), label, ": backward returned ", values.size(), " gradients for ",
                num_outputs(), " inputs");
    variable_list inputs;
    for (napi_value value : values) {
      inputs.push_back(isNullish(environment.env, value) ? at::Tensor() : takeTensor(environment, value));
    }
    return inputs;
  }

  void release_variables() override {
    for (auto& variable : saved) variable.reset_data();
  }

  std::string name() const override { return label; }

  JsFunction backward;
  std::string label;
  std::vector<SavedVariable> saved;
  std::vector<bool> savedIsOutput;
};

}  // namespace

napi_value backward(Environment& environment, const napi_value* arguments) {
  napi_env env = environment.env;
  torch::autograd::backward(toTensorList(environment, arguments[0]), toGradients(environment, arguments[1]),
                            toBool(env, arguments[2]), toBool(env, arguments[3]));
  return undefined(env);
}

napi_value grad(Environment& environment, const napi_value* arguments) {
  napi_env env = environment.env;
  return fromTensorList(
      environment,
      torch::autograd::grad(toTensorList(environment, arguments[0]), toTensorList(environment, arguments[1]),
                            toGradients(environment, arguments[2]), toBool(env, arguments[3]),
                            toBool(env, arguments[4]), toBool(env, arguments[5])));
}

napi_value setGradEnabled(Environment& environment, const napi_value* arguments) {
  const bool before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(toBool(environment.env, arguments[0]));
  return fromBool(environment.env, before);
}

napi_value isGradEnabled(Environment& environment, const napi_value*) {
  return fromBool(environment.env, at::GradMode::is_enabled());
}

napi_value gradInfo(Environment& environment, const napi_value* arguments) {
  napi_env env = environment.env;
  const at::Tensor& tensor = toTensor(environment, arguments[0]);
  napi_value object = nullptr;
  napi_create_object(env, &object);
  napi_set_named_property(env, object, "requiresGrad", fromBool(env, tensor.requires_grad()));
  napi_set_named_property(env, object, "isLeaf", fromBool(env, tensor.is_leaf()));
  const auto node = tensor.grad_fn();
  napi_set_named_property(env, object, "gradFunction", node ? fromString(env, node->name()) : null(env));
  return object;
}

napi_value setRequiresGrad(Environment& environment, const napi_value* arguments) {
  toTensor(environment, arguments[0]).set_requires_grad(toBool(environment.env, arguments[1]));
  return undefined(environment.env);
}

napi_value getGrad(Environment& environment, const napi_value* arguments) {
  at::Tensor& tensor = toTensor(environment, arguments[0]);
  TORCH_CHECK(tensor.is_leaf(), "only leaf tensors (parameters) have a grad; use registerHook or grad() for others");
  return fromTensor(environment, tensor.grad());
}

napi_value setGrad(Environment& environment, const napi_value* arguments) {
  at::Tensor& tensor = toTensor(environment, arguments[0]);
  if (isNullish(environment.env, arguments[1])) {
    tensor.mutable_grad() = at::Tensor();
    return undefined(environment.env);
  }
  const at::Tensor& gradient = toTensor(environment, arguments[1]);
  TORCH_CHECK(gradient.sizes() == tensor.sizes() && gradient.scalar_type() == tensor.scalar_type() &&
                  gradient.device() == tensor.device(),
              "the gradient ", gradient.sizes(), " ", scalarTypeName(gradient.scalar_type()),
              " does not fit its tensor ", tensor.sizes(), " ", scalarTypeName(tensor.scalar_type()));
  tensor.mutable_grad() = gradient;
  return undefined(environment.env);
}

napi_value registerHook(Environment& environment, const napi_value* arguments) {
  at::Tensor& tensor = toTensor(environment, arguments[0]);
  const auto hook = std::make_shared<JsFunction>(environment, arguments[1]);
  const unsigned id = tensor.register_hook([hook](at::Tensor gradient) -> at::Tensor {
    hook->checkCallable();
    Environment& environment = hook->environment();
    HandleScope scope(environment.env);
    napi_value result = hook->call({fromTensor(environment, gradient)});
    return isNullish(environment.env, result) ? gradient : takeTensor(environment, result);
  });
  return fromInt64(environment.env, id);
}

napi_value removeHook(Environment& environment, const napi_value* arguments) {
  const int64_t id = toInt64(environment.env, arguments[1]);
  TORCH_CHECK(id >= 0, "no such hook");
  toTensor(environment, arguments[0]).remove_hook(static_cast<unsigned>(id));
  return undefined(environment.env);
}

napi_value customFunction(Environment& environment, const napi_value* arguments) {
  napi_env env = environment.env;
  const std::vector<at::Tensor> inputs = toTensorList(environment, arguments[0]);
  std::vector<at::Tensor> outputs = toTensorList(environment, arguments[1]);
  const std::vector<at::Tensor> saved = toTensorList(environment, arguments[2]);

  std::vector<c10::TensorImpl*> originals;
  for (auto& output : outputs) {
    originals.push_back(output.unsafeGetTensorImpl());
    output = output.detach();  // an output may be an input handed through: it gets a history of its own
  }
  if (at::GradMode::is_enabled() && torch::autograd::any_variable_requires_grad(inputs)) {
    const auto node = makeNode<JsNode>(environment, arguments[3], toString(env, arguments[4]));
    node->set_next_edges(torch::autograd::collect_next_edges(inputs));
    for (auto& output : outputs) {
      if (torch::autograd::isDifferentiableType(output.scalar_type())) torch::autograd::set_history(output, node);
    }
    for (const auto& tensor : saved) {
      const auto found = std::find(originals.begin(), originals.end(), tensor.unsafeGetTensorImpl());
      const bool isOutput = found != originals.end();
      node->saved.emplace_back(isOutput ? outputs[found - originals.begin()] : tensor, isOutput);
      node->savedIsOutput.push_back(isOutput);
    }
  }
  return fromTensorList(environment, outputs);
}

}  // namespace padnet
