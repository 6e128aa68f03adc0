//! What other applications have in a namespace, or of a kind that a definition defines: it would go with
//! the namespace or the definition, which is not ours to delete as long as it is there.

use crate::cluster::serving::Serving;
use crate::domain::object::ObjectKey;
use crate::domain::order;
use crate::store::{Dwelling, Owner};
use crate::sync::error::SyncError;
use crate::sync::scene::Scene;

/// An object of another application that would go with this one, if there is any.
pub(super) async fn inhabitant(
    scene: &Scene<'_>,
    home: &ObjectKey,
) -> Result<Option<Owner>, SyncError> {
    if !order::is_foundation(home) {
        return Ok(None);
    }
    let application = &scene.application;
    let store = &scene.context.store;
    let owners = async |of: Dwelling<'_>| {
        store.inhabitants(of, &application.cluster, &application.name).await
    };
    let Some((plural, group)) = home.name.split_once('.').filter(|_| home.kind != "Namespace")
    else {
        let owners = owners(Dwelling::Namespace(&home.name)).await?;
        return Ok(owners.into_iter().next().map(|(owner, _)| owner));
    };
    for (owner, version) in owners(Dwelling::Group(group)).await? {
        match scene.cluster.serving(&owner.object.group_kind(), &version).await {
            Ok(Serving::Served(resource)) if resource.plural != plural => {}
            Ok(Serving::Gone) => {}
            // Whatever cannot be found out now may be of that kind.
            _ => return Ok(Some(owner)),
        }
    }
    Ok(None)
}
