#include "dispatcher.h"

#include <unistd.h>

#include <sstream>

#include "values.h"

namespace padnet {

namespace {

constexpr const char* kKindNames[] = {"Tensor",       "Tensor[]", "Tensor?[]", "int",        "int[]",
                                      "float",        "float[]",  "bool",      "bool[]",     "Scalar",
                                      "Scalar[]",     "string",   "string[]",  "ScalarType", "Layout",
                                      "MemoryFormat", "Device",   "Generator", "unsupported"};
static_assert(sizeof(kKindNames) / sizeof(*kKindNames) == static_cast<size_t>(Kind::Unsupported) + 1,
              "a name for every kind");

/// libtorch prints enumerations by name in one version and as `int` in another; the real type tells them apart.
Kind scalarKind(const c10::TypePtr& type) {
  switch (type->kind()) {
    case c10::TypeKind::TensorType:
      return Kind::Tensor;
    case c10::TypeKind::ScalarTypeType:
      return Kind::ScalarType;
    case c10::TypeKind::LayoutType:
      return Kind::Layout;
    case c10::TypeKind::MemoryFormatType:
      return Kind::MemoryFormat;
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType:
      return Kind::Int;
    case c10::TypeKind::FloatType:
      return Kind::Float;
    case c10::TypeKind::BoolType:
      return Kind::Bool;
    case c10::TypeKind::NumberType:
      return Kind::Scalar;
    case c10::TypeKind::StringType:
      return Kind::String;
    case c10::TypeKind::DeviceObjType:
      return Kind::Device;
    case c10::TypeKind::GeneratorType:
      return Kind::Generator;
    default:
      return Kind::Unsupported;
  }
}

Kind listKind(const c10::TypePtr& element) {
  if (element->kind() == c10::TypeKind::OptionalType) {
    const auto inner = element->castRaw<c10::OptionalType>()->getElementType();
    return inner->kind() == c10::TypeKind::TensorType ? Kind::OptionalTensorList : Kind::Unsupported;
  }
  switch (scalarKind(element)) {
    case Kind::Tensor:
      return Kind::TensorList;
    case Kind::Int:
      return Kind::IntList;
    case Kind::Float:
      return Kind::FloatList;
    case Kind::Bool:
      return Kind::BoolList;
    case Kind::Scalar:
      return Kind::ScalarList;
    case Kind::String:
      return Kind::StringList;
    default:
      return Kind::Unsupported;
  }
}

Argument describe(const c10::Argument& argument) {
  c10::TypePtr type = argument.real_type();
  bool optional = false;
  if (type->kind() == c10::TypeKind::OptionalType) {
    optional = true;
    type = type->castRaw<c10::OptionalType>()->getElementType();
  }
  const Kind kind = type->kind() == c10::TypeKind::ListType ? listKind(type->castRaw<c10::ListType>()->getElementType())
                                                            : scalarKind(type);
  const auto& fallback = argument.default_value();
  const bool emptyAllowed = fallback && (fallback->isNone() || (fallback->isList() && fallback->toListRef().empty()));
  return {argument.name(), kind,
          optional,        argument.N() ? *argument.N() : 0,
          emptyAllowed,    boundsOf(argument.name(), kind == Kind::IntList)};
}

/// Kernels read as many elements as the schema says (`int[2]`) without looking at the list's length. One stands for
/// all; `int[1]` means only that: a list may have any length.
template <class T, class Convert>
c10::IValue toTypedList(Environment& environment, napi_value value, const Argument& argument, Convert convert) {
  c10::List<T> list;
  const int64_t size = argument.listSize;
  bool isArray = false;
  napi_is_array(environment.env, value, &isArray);
  if (!isArray && size > 0) {
    list.push_back(convert(value));
  } else {
    for (napi_value element : toList(environment.env, value)) list.push_back(convert(element));
  }
  const auto length = static_cast<int64_t>(list.size());
  if (size < 2 || length == size || (length == 0 && argument.emptyAllowed)) return list;
  TORCH_CHECK(length == 1, "expected ", size, " elements, got ", length);
  const T single = list.get(0);
  for (int64_t i = 1; i < size; i++) list.push_back(single);
  return list;
}

int64_t toBoundedInt64(napi_env env, napi_value value, const Bounds& bounds) {
  const int64_t integer = toInt64(env, value);
  TORCH_CHECK(integer >= bounds.least && integer <= bounds.most, "must be from ", bounds.least, " to ", bounds.most,
              ", got ", integer);
  return integer;
}

c10::IValue toIValue(Environment& environment, const Argument& argument, napi_value value) {
  napi_env env = environment.env;
  if (argument.optional && isNullish(env, value)) return {};
  switch (argument.kind) {
    case Kind::Tensor:
      return toTensor(environment, value);
    case Kind::TensorList:
      return c10::List<at::Tensor>(toTensorList(environment, value));
    case Kind::OptionalTensorList: {
      c10::List<c10::optional<at::Tensor>> list;
      for (napi_value element : toList(env, value)) {
        if (isNullish(env, element)) {
          list.push_back(c10::nullopt);
        } else {
          list.push_back(toTensor(environment, element));
        }
      }
      return list;
    }
    case Kind::Int:
      return toBoundedInt64(env, value, argument.bounds);
    case Kind::IntList:
      return toTypedList<int64_t>(environment, value, argument,
                                  [&](napi_value v) { return toBoundedInt64(env, v, argument.bounds); });
    case Kind::Float:
      return toDouble(env, value);
    case Kind::FloatList:
      return toTypedList<double>(environment, value, argument, [&](napi_value v) { return toDouble(env, v); });
    case Kind::Bool:
      return toBool(env, value);
    case Kind::BoolList:
      return toTypedList<bool>(environment, value, argument, [&](napi_value v) { return toBool(env, v); });
    case Kind::Scalar:
      return toScalar(env, value);
    case Kind::ScalarList: {
      c10::impl::GenericList list(c10::NumberType::get());
      for (napi_value element : toList(env, value)) list.push_back(toScalar(env, element));
      return list;
    }
    case Kind::String:
      return toString(env, value);
    case Kind::StringList:
      return toTypedList<std::string>(environment, value, argument, [&](napi_value v) { return toString(env, v); });
    case Kind::ScalarType:
      return static_cast<int64_t>(toScalarType(env, value));
    case Kind::Layout:
      return static_cast<int64_t>(toLayout(env, value));
    case Kind::MemoryFormat:
      return static_cast<int64_t>(toMemoryFormat(env, value));
    case Kind::Device:
      return toDevice(env, value);
    case Kind::Generator: {
      at::Generator* generator = environment.generators.find(toDouble(env, value, "a generator"));
      if (generator == nullptr) throw std::runtime_error("this generator was disposed");
      return *generator;
    }
    case Kind::Unsupported:
      break;
  }
  throw std::runtime_error("has a type that cannot be passed from JavaScript");
}

/// Operators on a view that repeats its elements (`expand`) would run for hours, or overflow.
void checkNumel(const c10::IValue& value) {
  static const double machine = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  if (!value.isTensor() || !value.toTensor().defined() || value.toTensor().layout() != at::kStrided) return;
  double numel = 1;
  for (const int64_t size : value.toTensor().sizes()) numel *= static_cast<double>(size);
  TORCH_CHECK(numel <= machine, "the result would have ", numel, " elements, more than this machine has bytes");
}

void set(napi_env env, napi_value object, const char* key, napi_value value) {
  napi_set_named_property(env, object, key, value);
}

}  // namespace

napi_value schemas(Environment& environment, const napi_value*) {
  napi_value list = nullptr;
  napi_create_array(environment.env, &list);
  uint32_t count = 0;
  for (const auto& name : c10::Dispatcher::singleton().getAllOpNames()) {
    const auto handle = c10::Dispatcher::singleton().findSchema(name);
    if (!handle) continue;  // an implementation was registered without a schema: it can't be called
    std::ostringstream text;
    text << handle->schema();
    napi_set_element(environment.env, list, count++, fromString(environment.env, text.str()));
  }
  return list;
}

napi_value bind(Environment& environment, const napi_value* values) {
  napi_env env = environment.env;
  const auto found = c10::Dispatcher::singleton().findSchema({toString(env, values[0]), toString(env, values[1])});
  if (!found) return null(env);
  const c10::FunctionSchema& schema = found->schema();
  auto op = std::make_unique<Operator>(Operator{*found, {}, {}});

  napi_value arguments = nullptr;
  napi_create_array(env, &arguments);
  for (size_t i = 0; i < schema.arguments().size(); i++) {
    const c10::Argument& source = schema.arguments()[i];
    const Argument argument = describe(source);
    napi_value object = nullptr;
    napi_create_object(env, &object);
    set(env, object, "name", fromString(env, argument.name));
    set(env, object, "kind", fromString(env, kKindNames[static_cast<size_t>(argument.kind)]));
    set(env, object, "optional", fromBool(env, argument.optional));
    set(env, object, "hasDefault", fromBool(env, source.default_value().has_value()));
    set(env, object, "keywordOnly", fromBool(env, source.kwarg_only()));
    set(env, object, "listSize", fromInt64(env, argument.listSize));
    napi_set_element(env, arguments, i, object);
    op->arguments.push_back(argument);
  }

  napi_value returns = nullptr;
  napi_create_array(env, &returns);
  for (size_t r = 0; r < schema.returns().size(); r++) {
    const c10::Argument& result = schema.returns()[r];
    int64_t alias = -1;  // the argument that this result is, where the operator writes to it and hands it back
    if (result.alias_info() != nullptr && result.alias_info()->isWrite()) {
      for (size_t a = 0; a < schema.arguments().size(); a++) {
        const auto* info = schema.arguments()[a].alias_info();
        if (info != nullptr && info->isWrite() && info->beforeSets() == result.alias_info()->beforeSets()) {
          alias = static_cast<int64_t>(a);
        }
      }
    }
    napi_value object = nullptr;
    napi_create_object(env, &object);
    set(env, object, "kind", fromString(env, kKindNames[static_cast<size_t>(describe(result).kind)]));
    set(env, object, "alias", fromInt64(env, alias));
    napi_set_element(env, returns, r, object);
    op->returnsAlias.push_back(alias >= 0);
  }

  napi_value result = nullptr;
  napi_create_object(env, &result);
  set(env, result, "index", fromInt64(env, static_cast<int64_t>(environment.operators.size())));
  std::ostringstream text;
  text << schema;
  set(env, result, "schema", fromString(env, text.str()));
  set(env, result, "arguments", arguments);
  set(env, result, "returns", returns);
  environment.operators.push_back(std::move(op));
  return result;
}

napi_value call(Environment& environment, const napi_value* values) {
  napi_env env = environment.env;
  const int64_t index = toInt64(env, values[0]);
  if (index < 0 || index >= static_cast<int64_t>(environment.operators.size())) {
    throw std::runtime_error("no operator is bound to this index");
  }
  const Operator& op = *environment.operators[index];
  const auto& schema = op.handle.schema();

  c10::Stack stack;
  stack.reserve(op.arguments.size());
  for (size_t i = 0; i < op.arguments.size(); i++) {
    napi_value value = nullptr;
    if (napi_get_element(env, values[1], i, &value) != napi_ok) throw JsPending();
    const auto& fallback = schema.arguments()[i].default_value();
    if (fallback && typeOf(env, value) == napi_undefined) {
      stack.push_back(*fallback);
      continue;
    }
    try {
      stack.push_back(toIValue(environment, op.arguments[i], value));
    } catch (const TypeError& error) {
      throw TypeError(schema.name() + ": argument '" + op.arguments[i].name + "': " + error.what());
    } catch (const c10::Error& error) {
      throw std::runtime_error(schema.name() + ": argument '" + op.arguments[i].name +
                               "': " + error.what_without_backtrace());
    } catch (const std::exception& error) {
      throw std::runtime_error(schema.name() + ": argument '" + op.arguments[i].name + "': " + error.what());
    }
  }

  op.handle.callBoxed(&stack);
  for (const auto& result : stack) checkNumel(result);

  if (stack.size() == 1) return op.returnsAlias[0] ? undefined(env) : fromIValue(environment, stack[0]);
  if (stack.empty()) return undefined(env);
  napi_value results = nullptr;
  napi_create_array_with_length(env, stack.size(), &results);
  for (size_t i = 0; i < stack.size(); i++) {
    napi_set_element(env, results, i, op.returnsAlias[i] ? undefined(env) : fromIValue(environment, stack[i]));
  }
  return results;
}

}  // namespace padnet
