import { describe, expect, it } from "vitest";
import { readAnswer, refusalText } from "./api-answer.ts";

describe("an answer of the API", () => {
  it("that refuses gives its reason and status", () => {
    expect(refusalText(409, '{"message":"it exists"}')).toBe("it exists (409)");
  });

  it.each(["", "<html>", "null", "1", "{}", '{"message":1}', '["message"]', '{"message":'])(
    "of something else is told as such: %j",
    (text) => {
      expect(refusalText(502, text)).toBe("the answer is not that of flarescale (502)");
    },
  );

  it("is an object or nothing", () => {
    expect(readAnswer('{"apiToken":"t"}')).toEqual({ apiToken: "t" });
    expect(readAnswer('"text"')).toBeUndefined();
  });
});
