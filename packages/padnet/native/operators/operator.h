// The way into and out of every operator: the arguments of a call become one struct of operands, whose fields stand in
// the order of the schema. Forward and backward pass take it whole.
#pragma once

#include <ATen/core/stack.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace padnet {

using at::Tensor;
using Tensors = std::vector<Tensor>;
using Values = std::vector<c10::IValue>;

/// An argument, that becomes whatever operand it initialises; a tensor that is not given is undefined.
struct Argument {
  const c10::IValue& value;

  operator Tensor() const { return value.isTensor() ? value.toTensor() : Tensor(); }
  operator std::vector<int64_t>() const { return value.toIntVector(); }
  operator int64_t() const { return value.toInt(); }
  operator std::string() const { return value.toStringRef(); }
};

/// The number of arguments: 2 of "(Tensor input, int groups) -> Tensor".
constexpr size_t numArguments(std::string_view schema) {
  size_t count = 1;
  for (const char c : schema.substr(0, schema.find(')'))) count += c == ',';
  return count;
}

template <class Operator, size_t... places>
typename Operator::Operands operandsOf(c10::ArrayRef<c10::IValue> arguments, std::index_sequence<places...>) {
  return {Argument{arguments[places]}...};
}
template <class Operator>
typename Operator::Operands operandsOf(c10::ArrayRef<c10::IValue> arguments) {
  return operandsOf<Operator>(arguments, std::make_index_sequence<numArguments(Operator::schema)>());
}

/// Calls compute(arguments) with those of the stack, and leaves the outputs there.
template <class Operator, class Compute>
void onStack(torch::jit::Stack* stack, const Compute& compute) {
  const Values arguments = torch::jit::pop(*stack, numArguments(Operator::schema));
  for (const Tensor& output : compute(arguments)) stack->emplace_back(output);
}

/// An operator's place in the graph of gradients.
template <class Operator>
class Recorded : public torch::autograd::Function<Recorded<Operator>> {
 public:
  /// @param given the tensors among the arguments
  static Tensors forward(torch::autograd::AutogradContext* context, at::TensorList given, const Values& arguments) {
    at::AutoDispatchBelowADInplaceOrView guard;
    context->save_for_backward(given.vec());
    Values kept = arguments;
    for (c10::IValue& value : kept)
      if (value.isTensor()) value = Tensor();
    context->saved_data["arguments"] = c10::ivalue::Tuple::create(std::move(kept));
    return Operator::forward(operandsOf<Operator>(arguments));
  }

  static Tensors backward(torch::autograd::AutogradContext* context, const Tensors& gradOutputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), Operator::name, " cannot be differentiated twice; use the plan ",
                Operator::plansToDifferentiateTwice, " for that");
    const Tensors saved = context->get_saved_variables();
    Values arguments = context->saved_data["arguments"].toTupleRef().elements().vec();
    std::vector<size_t> places;  // of the tensors that were given
    std::vector<bool> needs(arguments.size());
    for (size_t place = 0; place < arguments.size(); place++) {
      if (!arguments[place].isTensor()) continue;
      needs[place] = context->needs_input_grad(places.size());
      arguments[place] = saved[places.size()];
      places.push_back(place);
    }
    const Tensors all = Operator::backward(operandsOf<Operator>(arguments), gradOutputs[0], needs);
    Tensors gradients;
    for (const size_t place : places) gradients.push_back(needs[place] ? all[place] : Tensor());
    gradients.emplace_back();  // of `arguments` as such
    return gradients;
  }
};

template <class Operator>
void compute(const c10::OperatorHandle&, torch::jit::Stack* stack) {
  onStack<Operator>(stack, [](const Values& arguments) { return Operator::forward(operandsOf<Operator>(arguments)); });
}
template <class Operator>
void computeRecorded(const c10::OperatorHandle&, torch::jit::Stack* stack) {
  onStack<Operator>(stack, [](const Values& arguments) {
    Tensors given;
    for (const c10::IValue& value : arguments)
      if (value.isTensor()) given.push_back(value.toTensor());
    return Recorded<Operator>::apply(at::TensorList(given), arguments);
  });
}

/// Registers an operator for tensors on the CPU. It has a `name`, a `schema`, a struct `Operands`, and
///     static Tensors forward(const Operands&)
template <class Operator>
void define(torch::Library& library) {
  library.def((std::string(Operator::name) + Operator::schema).c_str());
  library.impl(Operator::name,
               torch::dispatch(c10::DispatchKey::CPU, torch::CppFunction::makeFromBoxedFunction<&compute<Operator>>()));
}

/// The same for one that has a gradient, and with it `plansToDifferentiateTwice` and
///     static Tensors backward(const Operands&, const Tensor& gradOutput, const std::vector<bool>& needs)
/// Needs and gradients are in the order of the schema; gradients that nobody needs may be left out.
template <class Operator>
void defineWithGradient(torch::Library& library) {
  define<Operator>(library);
  library.impl(Operator::name,
               torch::dispatch(c10::DispatchKey::Autograd,
                               torch::CppFunction::makeFromBoxedFunction<&computeRecorded<Operator>>()));
}

}  // namespace padnet
