// Users → profiles of netmaps. Tagged nodes share one synthetic profile.
import type { UserProfile } from "../protocol/control/map.ts";
import { TAGGED_DEVICES_LOGIN, TAGGED_DEVICES_USER_ID } from "../tailnet/entities/user.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";

const TAGGED: UserProfile = {
  ID: TAGGED_DEVICES_USER_ID,
  LoginName: TAGGED_DEVICES_LOGIN,
  DisplayName: "Tagged devices",
};

/** Profile of a wire user id; undefined when there is no such user. */
export function toUserProfile(tailnet: Tailnet, userId: number): UserProfile | undefined {
  if (userId === TAGGED_DEVICES_USER_ID) return TAGGED;
  const user = tailnet.users.get(userId);
  if (user === undefined) return undefined;
  return {
    ID: user.id,
    LoginName: user.loginName,
    DisplayName: user.displayName,
    ...(user.profilePicUrl !== "" && { ProfilePicURL: user.profilePicUrl }),
  };
}
