/** Tensors that belong to a module. They live until the module is garbage-collected, whatever scope made them. */
import { native, type Handle } from '../native.js';
import { Tensor } from '../tensor.js';

function share(source: Tensor): Handle {
  const detached = source.detach();
  const handle = native.duplicate(detached.handle);
  detached[Symbol.dispose]();
  return handle;
}

class ModuleTensor extends Tensor {
  /** @internal Changes where `moveTo` is called. */
  declare handle: Handle;

  constructor(source: Tensor) {
    super(share(source));
    this.keep();
  }

  /**
   * Becomes a tensor over the memory of `source`, of another dtype or device perhaps: the same object to whoever holds
   * it (an optimizer, a second layer). Its gradient and hooks are dropped, and its old memory is freed.
   */
  moveTo(source: Tensor): void {
    const { requiresGrad, handle } = this;
    this.handle = share(source);
    this.kept = false; // so that the new handle is given to the garbage collector too
    this.keep();
    this.requiresGrad = requiresGrad;
    native.release(handle);
  }
}

/** A tensor that is trained: it has a gradient and is part of the state dict. Shares the memory of `source`. */
export class Parameter extends ModuleTensor {
  constructor(source: Tensor) {
    super(source);
    this.requiresGrad = true;
  }
}

/** A tensor that is saved with a module but not trained, such as a running mean. Shares the memory of `source`. */
export class Buffer extends ModuleTensor {}
