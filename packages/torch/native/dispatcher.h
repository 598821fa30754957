// Calls any operator of libtorch (or of a TORCH_LIBRARY loaded beside it) by name, as a boxed stack.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

#include <string>
#include <vector>

#include "bounds.h"
#include "environment.h"

namespace padnet {

/// How one argument crosses from JavaScript. Mirrored by `ArgumentKind` in src/native.ts, by name.
enum class Kind {
  Tensor,
  TensorList,
  OptionalTensorList,
  Int,
  IntList,
  Float,
  FloatList,
  Bool,
  BoolList,
  Scalar,
  ScalarList,
  String,
  StringList,
  ScalarType,
  Layout,
  MemoryFormat,
  Device,
  Generator,
  Unsupported,
};

struct Argument {
  std::string name;
  Kind kind;
  bool optional;
  int64_t listSize;   // of `int[2]`: a single number stands for all of them; 0 where the schema gives none
  bool emptyAllowed;  // the default is an empty list
  Bounds bounds;
};

struct Operator {
  c10::OperatorHandle handle;
  std::vector<Argument> arguments;
  std::vector<bool> returnsAlias;  // the result is an argument that was written to: no new handle is made
};

/// schemas() -> string[]: the schema of every registered operator, as libtorch prints it.
napi_value schemas(Environment& environment, const napi_value* arguments);
/// bind(name, overload) -> {index, schema, arguments, returns}, or null where libtorch has no such operator.
napi_value bind(Environment& environment, const napi_value* arguments);
/// call(index, arguments[]) -> the result; a list where there are several. `undefined` arguments take their default.
napi_value call(Environment& environment, const napi_value* arguments);

}  // namespace padnet
