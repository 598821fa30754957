import type { nn } from '@padnet/torch';

/** The module at a path, which has to be of a kind. */
export function moduleAt<M extends nn.Module>(
  network: nn.Module,
  path: string,
  kind: abstract new (...options: never[]) => M,
): M {
  const module = network.getModule(path);
  if (!(module instanceof kind)) throw new Error(`${path} is a ${module.constructor.name}, not a ${kind.name}`);
  return module;
}
