import { noGrad, type nn } from '@padnet/torch';

/** Gives a network the tensors of a state dict that it has a name and the shape for. @returns their names */
export function copyKnown(network: nn.Module, state: nn.StateDict): string[] {
  return noGrad(() =>
    Array.from(network.stateDict()).flatMap(([name, value]) => {
      const given = state.get(name);
      if (given?.shape.join() !== value.shape.join()) return [];
      value.copy_(given);
      return [name];
    }),
  );
}
