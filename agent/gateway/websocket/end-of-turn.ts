// What is done once a turn of the event loop is over: so much costs by the message, and not by the byte, that what comes
// in one turn is joined. One immediate serves all, since each would be an object of its own.

/** Something to be done at the end of a turn. */
export interface TurnTask {
  endTurn(): void;
}

const due: TurnTask[] = [];

/** Has a task done when this turn ends; tasks are done in order, those that others of them bring up included. */
export function atEndOfTurn(task: TurnTask): void {
  if (due.length === 0) setImmediate(endTurn);
  due.push(task);
}

function endTurn(): void {
  for (let at = 0; at < due.length; at++) due[at]?.endTurn();
  due.length = 0;
}
