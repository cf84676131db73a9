//! Who a container's processes run as: names resolved by the image's own user database.

use super::ImageFiles;

/// Numeric identity of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Further group ids.
    pub additional_gids: Vec<u32>,
}

/// Who the pod and the image ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRequest<'a> {
    /// The image's `User`: `user[:group]`, names or numbers; root if empty.
    pub image_user: &'a str,
    /// `runAsUser`.
    pub run_as_user: Option<u32>,
    /// `runAsGroup`.
    pub run_as_group: Option<u32>,
    /// `runAsNonRoot`.
    pub run_as_non_root: bool,
    /// Groups that the pod adds: `supplementalGroups`, `fsGroup`.
    pub additional: &'a [u32],
    /// `supplementalGroupsPolicy: Strict`: the image's groups of the user do not count.
    pub strict_groups: bool,
}

/// Why nobody can be determined.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// The image has no such user.
    #[error("unable to find user {0}: no matching entries in the image's passwd file")]
    UnknownUser(String),
    /// The image has no such group.
    #[error("unable to find group {0}: no matching entries in the image's group file")]
    UnknownGroup(String),
    /// `runAsNonRoot`, and it would be root.
    #[error("container has runAsNonRoot and image will run as root")]
    ImageRunsAsRoot,
    /// `runAsNonRoot` with `runAsUser: 0`.
    #[error("container's runAsUser breaks non-root policy")]
    RunAsUserIsRoot,
    /// `runAsNonRoot`, and the image names its user.
    #[error(
        "container has runAsNonRoot and image has non-numeric user ({0}), cannot verify user is non-root"
    )]
    NotNumeric(String),
}

/// Resolves the request by the image's passwd and group files.
///
/// # Errors
/// When a name is unknown or `runAsNonRoot` would be broken.
pub fn resolve(request: &UserRequest<'_>, files: &ImageFiles) -> Result<User, UserError> {
    let (image_user, image_group) = match request.image_user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (request.image_user, None),
    };
    if request.run_as_non_root {
        match (request.run_as_user, image_user.parse::<u32>()) {
            (Some(0), _) => return Err(UserError::RunAsUserIsRoot),
            (Some(_), _) => {}
            (None, Ok(0)) => return Err(UserError::ImageRunsAsRoot),
            (None, Ok(_)) => {}
            (None, Err(_)) if image_user.is_empty() => return Err(UserError::ImageRunsAsRoot),
            (None, Err(_)) => return Err(UserError::NotNumeric(image_user.to_owned())),
        }
    }

    let entries = passwd(&files.passwd);
    let wanted = request.run_as_user.map(|uid| uid.to_string());
    let wanted = wanted.as_deref().unwrap_or(if image_user.is_empty() {
        "0"
    } else {
        image_user
    });
    let entry = match wanted.parse::<u32>() {
        Ok(uid) => entries.iter().find(|entry| entry.uid == uid),
        Err(_) => Some(
            entries
                .iter()
                .find(|entry| entry.name == wanted)
                .ok_or_else(|| UserError::UnknownUser(wanted.to_owned()))?,
        ),
    };
    let uid = wanted
        .parse()
        .ok()
        .or(entry.map(|entry| entry.uid))
        .unwrap_or_default();

    let groups = groups(&files.group);
    let gid = match (request.run_as_group, image_group) {
        (Some(gid), _) => gid,
        // An image's group counts for the image's user only.
        (None, Some(group)) if request.run_as_user.is_none() => match group.parse() {
            Ok(gid) => gid,
            Err(_) => groups
                .iter()
                .find(|entry| entry.name == group)
                .map(|entry| entry.gid)
                .ok_or_else(|| UserError::UnknownGroup(group.to_owned()))?,
        },
        _ => entry.map_or(0, |entry| entry.gid),
    };

    let mut additional_gids = vec![gid];
    if let (Some(entry), false) = (entry, request.strict_groups) {
        let member =
            |group: &&Group<'_>| group.members.split(',').any(|member| member == entry.name);
        additional_gids.extend(groups.iter().filter(member).map(|group| group.gid));
    }
    additional_gids.extend(request.additional);
    additional_gids.sort_unstable();
    additional_gids.dedup();
    Ok(User {
        uid,
        gid,
        additional_gids,
    })
}

struct Passwd<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
}

struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

fn passwd(text: &str) -> Vec<Passwd<'_>> {
    let parse = |line: &'_ str| -> Option<(usize, u32, u32)> {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let mut numbers = fields.skip(1);
        Some((
            name.len(),
            numbers.next()?.parse().ok()?,
            numbers.next()?.parse().ok()?,
        ))
    };
    text.lines()
        .filter_map(|line| {
            parse(line).map(|(length, uid, gid)| Passwd {
                name: &line[..length],
                uid,
                gid,
            })
        })
        .collect()
}

fn groups(text: &str) -> Vec<Group<'_>> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let gid = fields.nth(1)?.parse().ok()?;
            Some(Group {
                name,
                gid,
                members: fields.next().unwrap_or_default(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> ImageFiles {
        ImageFiles {
            passwd: "root:x:0:0:root:/root:/bin/sh\nweb:x:101:102:web:/srv:/bin/false\n".into(),
            group: "root:x:0:\nweb:x:102:\nlogs:x:7:web,root\n".into(),
        }
    }

    #[test]
    fn a_name_brings_its_groups() {
        let user = resolve(
            &UserRequest {
                image_user: "web",
                additional: &[2000],
                ..Default::default()
            },
            &files(),
        )
        .unwrap();
        assert_eq!(
            user,
            User {
                uid: 101,
                gid: 102,
                additional_gids: vec![7, 102, 2000]
            }
        );
    }

    #[test]
    fn a_number_without_entry_is_taken_as_it_is() {
        let request = UserRequest {
            image_user: "web:logs",
            run_as_user: Some(4242),
            ..Default::default()
        };
        assert_eq!(
            resolve(&request, &files()).unwrap(),
            User {
                uid: 4242,
                gid: 0,
                additional_gids: vec![0]
            }
        );
    }

    #[test]
    fn the_strict_policy_ignores_the_images_groups() {
        let request = UserRequest {
            image_user: "101:logs",
            strict_groups: true,
            ..Default::default()
        };
        assert_eq!(
            resolve(&request, &files()).unwrap(),
            User {
                uid: 101,
                gid: 7,
                additional_gids: vec![7]
            }
        );
    }

    #[test]
    fn non_root_is_enforced() {
        let ask = |image_user: &'static str, run_as_user| {
            resolve(
                &UserRequest {
                    image_user,
                    run_as_user,
                    run_as_non_root: true,
                    ..Default::default()
                },
                &files(),
            )
        };
        assert_eq!(ask("", None), Err(UserError::ImageRunsAsRoot));
        assert_eq!(ask("0:0", None), Err(UserError::ImageRunsAsRoot));
        assert_eq!(ask("web", None), Err(UserError::NotNumeric("web".into())));
        assert_eq!(ask("", Some(0)), Err(UserError::RunAsUserIsRoot));
        assert_eq!(ask("web", Some(5)).unwrap().uid, 5);
        assert_eq!(ask("101", None).unwrap().uid, 101);
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        let request = UserRequest {
            image_user: "ghost",
            ..Default::default()
        };
        assert_eq!(
            resolve(&request, &files()),
            Err(UserError::UnknownUser("ghost".into()))
        );
    }
}
